//! Opening below the root without ever leaving it.
//!
//! The kernel resolves the name (`openat2` with `RESOLVE_BENEATH`), so that no check can be raced by
//! somebody who swaps a folder for a link. A link that stays below the root is followed, one that
//! leaves it is not found. Where `openat2` is missing (Linux before 5.6) or forbidden (some container
//! filters), the name is walked one folder at a time and no link is followed at all.
//!
//! The root is opened anew by its path for each request: a deployment that swaps the link
//! `current -> releases/42`, or a build that removes and makes its output folder, takes effect at
//! once. It costs one `open` and one `close`.
//!
//! With [`Wait::Never`] a name is only looked for in the kernel's memory (`RESOLVE_CACHED`), and only
//! on file systems that are known not to ask another machine or process.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rustix::fs::{CWD, FileType, FsWord, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

/// A folder whose regular files may be opened.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    resolver: Resolver,
    /// Whether it is worth trying without waiting.
    in_memory: AtomicBool,
}

/// Whether a system call may wait for a disk or another machine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wait {
    Never,
    Allowed,
}

/// The root as it is for one request.
pub(super) struct Anchor<'a> {
    folder: OwnedFd,
    root: &'a Root,
    wait: Wait,
}

/// What a name stands for.
pub(super) enum Found {
    /// A regular file, open for reading.
    File(File, Stamp),
    /// A folder.
    Folder,
}

/// Why a name cannot be opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum OpenError {
    /// There is no such regular file or folder below the root.
    NotFound,
    /// The process may not read it.
    Forbidden,
    /// The process or machine is short of something, or the file system changed while it was read.
    Busy,
    /// It cannot be said without waiting.
    WouldWait,
    /// The file system failed.
    Failed(Errno),
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Stamp {
    pub(super) inode: u64,
    pub(super) size: u64,
    /// Last change of the content, in nanoseconds since the epoch. Anyone who may write may set it.
    pub(super) modified: i128,
    /// Last change of content or attributes, in nanoseconds. Only the kernel sets it.
    pub(super) changed: i128,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Resolver {
    Kernel,
    Walk,
}

// === impl Root ===

impl Root {
    /// Checks that `path` is a folder, and which way of resolving this kernel offers.
    ///
    /// # Errors
    /// If `path` is not a folder that the process may search.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        // Not resolved further, so that a root that is itself a link can be swapped.
        let path = std::path::absolute(path)?;
        let mut root = Self { path, resolver: Resolver::Kernel, in_memory: AtomicBool::new(true) };
        let folder = root.anchor(Wait::Allowed).map_err(|error| match error {
            OpenError::NotFound => io::Error::from(io::ErrorKind::NotFound),
            OpenError::Forbidden => io::Error::from(io::ErrorKind::PermissionDenied),
            OpenError::Busy | OpenError::WouldWait => io::Error::from(io::ErrorKind::ResourceBusy),
            OpenError::Failed(errno) => errno.into(),
        })?;
        // Old container filters answer EPERM to calls that they do not know.
        let resolved = beneath(&folder.folder, ".", OFlags::PATH, ResolveFlags::empty());
        let is_local = rustix::fs::fstatfs(&folder.folder).is_ok_and(|stat| LOCAL.contains(&stat.f_type));
        drop(folder);
        if let Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) = resolved {
            root.resolver = Resolver::Walk;
        }
        // Linux before 5.12 does not know RESOLVE_CACHED, and says EINVAL.
        let has_cached = open_cached(&root.path).err() != Some(Errno::INVAL);
        *root.in_memory.get_mut() = is_local && has_cached && root.resolver == Resolver::Kernel;
        Ok(root)
    }

    /// The root as it is now.
    pub(super) fn anchor(&self, wait: Wait) -> Result<Anchor<'_>, OpenError> {
        let opened = match wait {
            Wait::Allowed => rustix::fs::open(&self.path, FOLDER, Mode::empty()),
            Wait::Never => open_cached(&self.path),
        };
        let folder = opened.map_err(|errno| OpenError::of(errno, wait))?;
        Ok(Anchor { folder, root: self, wait })
    }

    /// Whether a first try without waiting may succeed.
    pub(super) fn is_in_memory(&self) -> bool {
        self.in_memory.load(Relaxed)
    }

    /// The file system cannot read without waiting, so no try will succeed.
    pub(super) fn is_never_in_memory(&self) {
        self.in_memory.store(false, Relaxed);
    }

    #[cfg(test)]
    pub(super) fn walking(path: &Path) -> io::Result<Self> {
        let in_memory = AtomicBool::new(false);
        Ok(Self { resolver: Resolver::Walk, in_memory, path: Self::open(path)?.path })
    }
}

// === impl Anchor ===

impl Anchor<'_> {
    /// Opens `relative`, which holds no empty or dot segment (see `path.rs`).
    pub(super) fn find(&self, relative: &str) -> Result<Found, OpenError> {
        debug_assert!(!relative.is_empty() && !relative.starts_with('/'));
        // O_NONBLOCK: opening a FIFO must not wait for a writer. O_NOCTTY: a terminal stays a stranger's.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = match (self.wait, self.root.resolver) {
            (Wait::Never, _) => {
                // Another file system may wait where this one would not.
                let resolve = ResolveFlags::CACHED | ResolveFlags::NO_XDEV;
                beneath(&self.folder, relative, flags, resolve)
            }
            (Wait::Allowed, Resolver::Kernel) => beneath_retrying(&self.folder, relative, flags),
            (Wait::Allowed, Resolver::Walk) => walk(&self.folder, relative, flags),
        };
        let file = opened.map_err(|errno| OpenError::of(errno, self.wait))?;
        let stat = rustix::fs::fstat(&file).map_err(|errno| OpenError::of(errno, self.wait))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(Found::File(File::from(file), Stamp::from(&stat))),
            FileType::Directory => Ok(Found::Folder),
            _ => Err(OpenError::NotFound),
        }
    }

    /// Opens `relative` if it is a regular file.
    pub(super) fn file(&self, relative: &str) -> Result<(File, Stamp), OpenError> {
        match self.find(relative)? {
            Found::File(file, stamp) => Ok((file, stamp)),
            Found::Folder => Err(OpenError::NotFound),
        }
    }
}

fn open_cached(path: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::openat2(CWD, path, FOLDER, Mode::empty(), ResolveFlags::CACHED)
}

fn beneath(folder: &OwnedFd, relative: &str, flags: OFlags, more: ResolveFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | more;
    rustix::fs::openat2(folder, relative, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
}

/// The kernel answers EAGAIN if something was renamed while it followed a `..` of a link.
fn beneath_retrying(folder: &OwnedFd, relative: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    for _ in 1..RESOLVE_TRIES_MAX {
        match beneath(folder, relative, flags, ResolveFlags::empty()) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            done => return done,
        }
    }
    beneath(folder, relative, flags, ResolveFlags::empty())
}

fn walk(folder: &OwnedFd, relative: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let always = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Some((parents, name)) = relative.rsplit_once('/') else {
        return rustix::fs::openat(folder, relative, flags | always, Mode::empty());
    };
    let mut current: Option<OwnedFd> = None;
    for parent in parents.split('/') {
        let from = current.as_ref().unwrap_or(folder);
        let step = OFlags::PATH | OFlags::DIRECTORY | always;
        current = Some(rustix::fs::openat(from, parent, step, Mode::empty())?);
    }
    rustix::fs::openat(current.as_ref().unwrap_or(folder), name, flags | always, Mode::empty())
}

// === impl OpenError ===

impl OpenError {
    fn of(errno: Errno, wait: Wait) -> Self {
        match errno {
            Errno::AGAIN | Errno::XDEV | Errno::INVAL if wait == Wait::Never => Self::WouldWait,
            // XDEV: a link leaves the root. LOOP: too many links, or one where none is followed.
            // NXIO, NODEV: a socket, or a device without driver.
            Errno::NOENT
            | Errno::NOTDIR
            | Errno::LOOP
            | Errno::XDEV
            | Errno::NAMETOOLONG
            | Errno::NXIO
            | Errno::NODEV
            | Errno::INVAL
            | Errno::ILSEQ => Self::NotFound,
            Errno::ACCESS | Errno::PERM => Self::Forbidden,
            Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN | Errno::INTR => Self::Busy,
            other => Self::Failed(other),
        }
    }
}

// === impl Stamp ===

impl From<&Stat> for Stamp {
    fn from(stat: &Stat) -> Self {
        Self {
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: nanoseconds(stat.st_mtime.into(), stat.st_mtime_nsec.into()),
            changed: nanoseconds(stat.st_ctime.into(), stat.st_ctime_nsec.into()),
        }
    }
}

fn nanoseconds(seconds: i128, rest: i128) -> i128 {
    seconds * NANOSECONDS + rest
}

/// In a second.
pub(super) const NANOSECONDS: i128 = 1_000_000_000;

/// A folder to look things up in, not to read.
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The magic numbers of file systems that find what they have in memory without asking anyone else:
/// ext4, XFS, Btrfs, tmpfs, F2FS, EROFS, squashfs.
const LOCAL: [FsWord; 7] =
    [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0xf2f5_2010, 0xe0f5_e1e2, 0x7371_7368];

/// Each try loses only to a rename in the same instant.
const RESOLVE_TRIES_MAX: u32 = 8;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use rustix::fs::mknodat;

    use super::*;

    struct Tree {
        base: tempfile::TempDir,
    }

    impl Tree {
        fn new() -> Self {
            let base = tempfile::tempdir().expect("tempdir");
            let root = base.path().join("root");
            fs::create_dir_all(root.join("a/b")).expect("mkdir");
            fs::write(root.join("a/b/in.txt"), "inside").expect("write");
            fs::write(base.path().join("canary"), "outside").expect("write");
            symlink("../../canary", root.join("a/relative-out")).expect("link");
            symlink(base.path().join("canary"), root.join("absolute-out")).expect("link");
            symlink("../..", root.join("a/folder-out")).expect("link");
            symlink("/proc/self/root", root.join("magic")).expect("link");
            symlink("loop", root.join("loop")).expect("link");
            symlink("a/b/../b/in.txt", root.join("stays")).expect("link");
            Self { base }
        }

        fn root(&self) -> PathBuf {
            self.base.path().join("root")
        }

        fn each_way(&self) -> [Root; 2] {
            [Root::open(&self.root()).expect("open"), Root::walking(&self.root()).expect("open")]
        }
    }

    fn reason(root: &Root, name: &str) -> Option<OpenError> {
        root.anchor(Wait::Allowed).expect("root").file(name).err()
    }

    #[test]
    fn this_kernel_resolves_by_itself() {
        let tree = Tree::new();
        assert_eq!(Root::open(&tree.root()).expect("open").resolver, Resolver::Kernel);
    }

    #[test]
    fn files_below_the_root_open() {
        let tree = Tree::new();
        for root in tree.each_way() {
            let (_, stamp) = root.anchor(Wait::Allowed).expect("root").file("a/b/in.txt").expect("opens");
            assert_eq!(stamp.size, 6);
            assert!(matches!(root.anchor(Wait::Allowed).expect("root").find("a/b"), Ok(Found::Folder)));
            assert_eq!(reason(&root, "a/b"), Some(OpenError::NotFound));
            assert_eq!(reason(&root, "a/none"), Some(OpenError::NotFound));
            assert_eq!(reason(&root, "a/b/in.txt/x"), Some(OpenError::NotFound));
        }
    }

    #[test]
    fn links_out_of_the_root_are_not_found() {
        let tree = Tree::new();
        for root in tree.each_way() {
            for name in ["a/relative-out", "absolute-out", "a/folder-out/canary", "magic/etc/passwd", "loop"]
            {
                assert_eq!(reason(&root, name), Some(OpenError::NotFound), "{name}");
            }
        }
    }

    #[test]
    fn links_inside_the_root_are_followed_where_the_kernel_can_confine_them() {
        let tree = Tree::new();
        let [kernel, walk] = tree.each_way();
        assert_eq!(reason(&kernel, "stays"), None);
        assert_eq!(reason(&walk, "stays"), Some(OpenError::NotFound));
    }

    #[test]
    fn special_files_are_not_found_and_nothing_waits() {
        let tree = Tree::new();
        let fifo = tree.root().join("fifo");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o644), 0).expect("fifo");
        let _socket = UnixListener::bind(tree.root().join("socket")).expect("socket");
        for root in tree.each_way() {
            for name in ["fifo", "socket"] {
                assert_eq!(reason(&root, name), Some(OpenError::NotFound), "{name}");
            }
        }
    }

    #[test]
    fn a_root_swapped_by_a_link_takes_effect_at_once() {
        let tree = Tree::new();
        let base = tree.base.path();
        for (release, text) in [("one", "1"), ("two", "22")] {
            fs::create_dir(base.join(release)).expect("mkdir");
            fs::write(base.join(release).join("x"), text).expect("write");
        }
        symlink("one", base.join("current")).expect("link");
        let root = Root::open(&base.join("current")).expect("open");
        assert_eq!(root.anchor(Wait::Allowed).expect("root").file("x").expect("opens").1.size, 1);
        symlink("two", base.join("next")).expect("link");
        fs::rename(base.join("next"), base.join("current")).expect("rename");
        assert_eq!(root.anchor(Wait::Allowed).expect("root").file("x").expect("opens").1.size, 2);
    }

    #[test]
    fn a_root_that_is_no_folder_is_an_error() {
        let tree = Tree::new();
        assert!(Root::open(&tree.base.path().join("canary")).is_err());
        assert!(Root::open(&tree.base.path().join("none")).is_err());
    }
}
