//! The page `docs/detection-quality.md`: what stands between its marks is printed by `--write`.

use std::path::Path;

use anyhow::{Context as _, Result};
use seawall_stormbench::report::{self, Report};

/// Writes the tables between the marks.
pub(crate) fn write(report: &Report<'_>) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("outside the workspace")?;
    let path = root.join("docs/detection-quality.md");
    let page = std::fs::read_to_string(&path)?;
    let (before, rest) = page.split_once(BEGIN).context("the page has no place for the tables")?;
    let (_, after) = rest.split_once(END).context("the tables have no end")?;
    std::fs::write(&path, format!("{before}{BEGIN}\n\n{}\n{END}{after}", report::markdown(report)))?;
    Ok(())
}

const BEGIN: &str = "<!-- printed by cargo xtask stormbench --write -->";
const END: &str = "<!-- tables end -->";
