//! A look at the disk: all variants of one key, those that are small enough with their content.

use std::fs::File;
use std::io;
use std::sync::Arc;

use seawall_cache::CacheKey;
use seawall_cache::purge::Extent;

use super::Disk;
use super::file::{DiskFile, Opened};
use super::folder::{FileName, Folder};
use crate::content::Content;
use crate::growing::SEGMENT_BYTES;
use crate::moment::Moment;
use crate::tiered::Shelves;
use crate::variant::{Resource, Variant};

/// Longer content is not brought to memory: it is read as it is sent.
const PROMOTED_BYTES_MAX: u64 = SEGMENT_BYTES;

/// What is stored under a key, on disk and in memory, as of a point in the order of invalidations before the look.
pub(super) fn look(shelves: &Shelves, disk: &Arc<Disk>, key: &CacheKey, invalidations: u64) -> Resource {
    let Some(folder) = disk.usable_folder() else { return shelves.in_memory(key) };
    let hash = folder.key_hash(key);
    let entries = disk.index.get(hash);
    let names = entries.iter().flat_map(|entries| entries.iter().map(|entry| entry.name));
    let variants: Vec<_> = names
        .filter_map(|name| Some((name, load(shelves, disk, &folder, key, name, invalidations)?)))
        .collect();
    shelves.promote(key, invalidations, || {
        // What was replaced meanwhile is not listed any more.
        variants
            .into_iter()
            .filter(|(name, _)| disk.index.has_file(*name))
            .map(|(_, variant)| variant)
            .collect()
    })
}

/// The variant that is in a file, if it is of this key and not purged.
fn load(
    shelves: &Shelves,
    disk: &Arc<Disk>,
    folder: &Folder,
    key: &CacheKey,
    name: FileName,
    invalidations: u64,
) -> Option<Variant> {
    match try_load(shelves, disk, folder, key, name, invalidations) {
        Ok(variant) => variant,
        // Evicted meanwhile, or lost.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            disk.index.remove_file(name);
            None
        }
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            disk.found_damaged(Some(name));
            None
        }
        Err(error) => {
            disk.failed("read", &error);
            None
        }
    }
}

fn try_load(
    shelves: &Shelves,
    disk: &Arc<Disk>,
    folder: &Folder,
    key: &CacheKey,
    name: FileName,
    invalidations: u64,
) -> io::Result<Option<Variant>> {
    let file = Arc::new(DiskFile::new(disk.clone(), File::open(folder.file(name))?, name.id));
    file.set_name(name);
    let Opened::Whole(head, length) = file.open()? else {
        disk.found_damaged(Some(name));
        return Ok(None);
    };
    // Another key with the same hash; or a file that was renamed.
    if head.key != *key || folder.selecting_hash(&head.response.selected_by) != name.selecting {
        return Ok(None);
    }
    let content = if length <= PROMOTED_BYTES_MAX {
        let Some(bytes) = file.content(0, length, length)? else {
            disk.found_damaged(Some(name));
            return Ok(None);
        };
        Content::from_segments(vec![bytes])
    } else {
        Content::file(file, length)
    };
    let stored_at = Moment { purges: head.stored_at, invalidations };
    let variant = Variant::new(Arc::new(head.response), content, stored_at);
    if shelves.purge_extent(key, &variant) == Some(Extent::Hard) {
        disk.index.remove_file(name);
        disk.writes.push(super::WriteJob::Remove { names: vec![name], answerer: None });
        return Ok(None);
    }
    Ok(Some(variant))
}
