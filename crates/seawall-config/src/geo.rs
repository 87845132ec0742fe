//! Reads `[geo]`.

use std::path::Path;

use crate::config::GeoConfig;
use crate::diagnostic::{Code, Problems};
use crate::manual;
use crate::reader::Value;
use crate::settings::read_path;

/// One for countries and one for networks' operators are what there is; a few more are somebody's own.
const DATABASES_MAX: usize = 8;

pub(crate) fn read_geo(value: Value<'_>, folder: &Path, problems: &mut Problems) -> Option<GeoConfig> {
    let mut table = value.open(&manual::GEO, problems)?;
    let mut geo = GeoConfig::default();
    if let Some(value) = table.get("databases") {
        let paths = value.one_or_many();
        if paths.len() > DATABASES_MAX {
            problems.push(value.error(Code::OutOfRange, format!("more than {DATABASES_MAX} databases")));
        }
        geo.databases = paths.into_iter().filter_map(|path| read_path(path, folder, problems)).collect();
    }
    table.finish("here", problems);
    Some(geo)
}
