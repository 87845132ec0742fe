//! Precompressed variants, under the names that `seawall serve --files` looks for beside a file.

use std::io::{self, Write};

use flate2::{Compression, GzBuilder};

/// What is added to the name.
pub(super) const ENDINGS: [&str; 3] = [".gz", ".br", ".zst"];

/// The variants of a file, with their names; those that are no smaller are left out.
pub(super) fn all(name: &str, octets: &[u8]) -> io::Result<Vec<(String, Vec<u8>)>> {
    let variants = [gzip(octets)?, brotli(octets)?, zstd::bulk::compress(octets, ZSTD_LEVEL)?];
    let named = ENDINGS.iter().zip(variants).map(|(ending, octets)| (format!("{name}{ending}"), octets));
    Ok(named.filter(|variant| variant.1.len() < octets.len()).collect())
}

/// Without time and name, so that the same content gives the same octets.
fn gzip(octets: &[u8]) -> io::Result<Vec<u8>> {
    let mut writer = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    writer.write_all(octets)?;
    writer.finish()
}

fn brotli(octets: &[u8]) -> io::Result<Vec<u8>> {
    let mut compressed = Vec::new();
    {
        let mut writer =
            brotli::CompressorWriter::new(&mut compressed, BUFFER_BYTES, BROTLI_QUALITY, BROTLI_WINDOW);
        writer.write_all(octets)?;
        writer.flush()?;
    }
    Ok(compressed)
}

const BUFFER_BYTES: usize = 1 << 16;
/// The best there is takes ten times as long for 2 % less.
const BROTLI_QUALITY: u32 = 9;
const BROTLI_WINDOW: u32 = 22;
const ZSTD_LEVEL: i32 = 19;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_the_same_each_time_and_none_is_larger() {
        let text = "certificate ".repeat(1000);
        let one = all("a.pem", text.as_bytes()).unwrap();
        assert_eq!(one, all("a.pem", text.as_bytes()).unwrap());
        let names: Vec<_> = one.iter().map(|variant| variant.0.as_str()).collect();
        assert_eq!(names, ["a.pem.gz", "a.pem.br", "a.pem.zst"]);
        assert_eq!(zstd::bulk::decompress(&one[2].1, text.len()).unwrap(), text.as_bytes());
        assert_eq!(all("b", b"x").unwrap(), []);
    }
}
