//! A log file or standard input, decompressed by what its first bytes say, whatever its name.
//!
//! Magic numbers: gzip RFC 1952 §2.3.1, zstd RFC 8878 §3.1.1, xz "The .xz File Format" §2.1.1.1, bzip2's `BZh`. Files
//! that are several compressed ones in a row (`cat a.gz b.gz`) are read to their end. What a decompressor may hold is
//! bounded, since a log may come from anywhere: [`MEMORY_MAX_KIB`].

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;

/// Where a log is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// Standard input: `-`.
    Stdin,
    /// A file.
    File(PathBuf),
}

impl Source {
    /// As the command line names it.
    pub fn new(path: &Path) -> Self {
        if path.as_os_str() == "-" { Self::Stdin } else { Self::File(path.to_owned()) }
    }

    /// As a person reads it.
    pub fn name(&self) -> String {
        match self {
            Self::Stdin => "standard input".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }
}

/// How a log is compressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Compression {
    /// Not at all.
    None,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// The .xz format.
    Xz,
    /// bzip2.
    Bzip2,
}

impl Compression {
    /// By the first bytes.
    pub fn of(beginning: &[u8]) -> Self {
        let magics: [(&[u8], Self); 4] = [
            (b"\x1f\x8b", Self::Gzip),
            (b"\x28\xb5\x2f\xfd", Self::Zstd),
            (b"\xfd7zXZ\0", Self::Xz),
            (b"BZh", Self::Bzip2),
        ];
        magics
            .into_iter()
            .find(|(magic, _)| beginning.starts_with(magic))
            .map_or(Self::None, |(_, compression)| compression)
    }
}

/// Why a log cannot be read.
#[derive(Debug, Error)]
pub enum InputError {
    /// It cannot be opened.
    #[error("cannot open {name}")]
    Open {
        /// The source.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// It broke off, or its compressed form is damaged. What came before has been read.
    #[error("cannot read on in {name}, after {bytes} bytes")]
    Read {
        /// The source.
        name: String,
        /// How many bytes of it, as compressed.
        bytes: u64,
        /// Why.
        source: io::Error,
    },
}

/// An open log.
pub struct Input {
    name: String,
    reader: Box<dyn Read + Send>,
    compression: Compression,
    size: Option<u64>,
    consumed: Arc<AtomicU64>,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").field("name", &self.name).field("compression", &self.compression).finish()
    }
}

impl Input {
    /// Opens a source and looks at its first bytes.
    ///
    /// # Errors
    ///
    /// When it cannot be opened, or its beginning not be read.
    pub fn open(source: &Source) -> Result<Self, InputError> {
        let name = source.name();
        let fault = |error| InputError::Open { name: source.name(), source: error };
        match source {
            Source::Stdin => Self::from_reader(name, io::stdin(), None).map_err(fault),
            Source::File(path) => {
                let file = File::open(path).map_err(fault)?;
                let metadata = file.metadata().map_err(fault)?;
                if metadata.is_dir() {
                    return Err(fault(io::ErrorKind::IsADirectory.into()));
                }
                // A pipe has no size.
                let size = Some(metadata.len()).filter(|_| metadata.is_file());
                Self::from_reader(name, file, size).map_err(fault)
            }
        }
    }

    fn from_reader(name: String, mut raw: impl Read + Send + 'static, size: Option<u64>) -> io::Result<Self> {
        let mut beginning = Vec::new();
        // A pipe may give its first bytes one by one.
        raw.by_ref().take(MAGIC_BYTES).read_to_end(&mut beginning)?;
        let compression = Compression::of(&beginning);
        let consumed = Arc::new(AtomicU64::new(0));
        let counted = Counted { inner: Cursor::new(beginning).chain(raw), consumed: Arc::clone(&consumed) };
        Ok(Self { name, reader: decompress(compression, counted)?, compression, size, consumed })
    }

    /// As a person reads it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it is compressed.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Bytes of the file, as compressed; `None` for standard input and pipes.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// Bytes of the file that were read so far, as compressed; it goes on counting.
    pub fn consumed(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.consumed)
    }

    /// Reads, and names the source where that fails.
    ///
    /// # Errors
    ///
    /// When the file breaks off or its compressed form is damaged.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, InputError> {
        loop {
            match self.reader.read(buffer) {
                Ok(length) => return Ok(length),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let bytes = self.consumed.load(Ordering::Relaxed);
                    return Err(InputError::Read { name: self.name.clone(), bytes, source: error });
                }
            }
        }
    }
}

fn decompress(compression: Compression, raw: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    let buffered = BufReader::with_capacity(BUFFER_BYTES, raw);
    Ok(match compression {
        // Its reader has a buffer of its own.
        Compression::None => Box::new(buffered.into_inner()),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(buffered)),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(buffered)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Box::new(decoder)
        }
        Compression::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(buffered, true, MEMORY_MAX_KIB)),
        Compression::Bzip2 => Box::new(Bzip2Files(Some(bzip2::bufread::BzDecoder::new(buffered)))),
    })
}

/// bzip2 files one after the other; what follows that is none is an error, as it is for `bzip2 -d`.
struct Bzip2Files<R: io::BufRead>(Option<bzip2::bufread::BzDecoder<R>>);

impl<R: io::BufRead> Read for Bzip2Files<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(decoder) = &mut self.0 else { return Ok(0) };
            let length = decoder.read(buffer)?;
            if length > 0 || buffer.is_empty() {
                return Ok(length);
            }
            let mut rest = match self.0.take() {
                Some(decoder) => decoder.into_inner(),
                None => return Ok(0),
            };
            if rest.fill_buf()?.is_empty() {
                return Ok(0);
            }
            self.0 = Some(bzip2::bufread::BzDecoder::new(rest));
        }
    }
}

struct Counted<R> {
    inner: R,
    consumed: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.consumed.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

/// The longest magic number, xz's.
const MAGIC_BYTES: u64 = 6;
/// Compressed bytes read at once.
const BUFFER_BYTES: usize = 128 * 1024;
/// 256 MiB: `xz -9` needs 65 MiB, `xz --long` and its like more than anybody uses for logs.
pub const MEMORY_MAX_KIB: u32 = 256 * 1024;
/// 2^28 bytes, the same: `zstd --long` has 2^27.
const ZSTD_WINDOW_LOG_MAX: u32 = 28;

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    fn read_all(path: &Path) -> Result<Vec<u8>, InputError> {
        let mut input = Input::open(&Source::new(path))?;
        let (mut all, mut buffer) = (Vec::new(), [0; 1000]);
        loop {
            match input.read(&mut buffer)? {
                0 => return Ok(all),
                length => all.extend_from_slice(&buffer[..length]),
            }
        }
    }

    /// By the program itself, which every system has, so that the formats are not our own.
    fn compressed(program: &str, content: &[u8]) -> Vec<u8> {
        let mut command = Command::new(program);
        command.arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot run {program}: {error}"));
        let mut input = child.stdin.take().unwrap();
        let content = content.to_vec();
        let writer = std::thread::spawn(move || input.write_all(&content).unwrap());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        assert!(output.status.success(), "{program}");
        output.stdout
    }

    fn lines() -> Vec<u8> {
        (0..20_000).flat_map(|number| format!("line {number}\n").into_bytes()).collect()
    }

    #[test]
    fn every_compression_is_known_by_its_first_bytes_and_read_to_the_last_file() {
        let folder = tempfile::tempdir().unwrap();
        for (program, compression) in [
            ("gzip", Compression::Gzip),
            ("zstd", Compression::Zstd),
            ("xz", Compression::Xz),
            ("bzip2", Compression::Bzip2),
        ] {
            let path = folder.path().join("access.log");
            let one = compressed(program, &lines());
            std::fs::write(&path, [one.clone(), one].concat()).unwrap();
            let input = Input::open(&Source::new(&path)).unwrap();
            assert_eq!(input.compression(), compression, "{program}");
            assert!(read_all(&path).unwrap() == [lines(), lines()].concat(), "{program}");
        }
    }

    #[test]
    fn a_plain_file_is_read_as_it_is_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for content in [&b""[..], b"a", b"BZ", b"hello\n"] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(read_all(&path).unwrap(), content);
        }
        let mut input = Input::open(&Source::new(&path)).unwrap();
        assert_eq!(input.size(), Some(6));
        assert_eq!(input.read(&mut [0; 100]).unwrap() + input.read(&mut [0; 100]).unwrap(), 6);
        assert_eq!(input.consumed.load(Ordering::Relaxed), 6);
    }

    #[test]
    fn damage_names_the_file_and_the_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log.gz");
        for program in ["gzip", "zstd", "xz", "bzip2"] {
            let whole = compressed(program, &lines());
            std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
            let error = read_all(&path).unwrap_err();
            assert!(matches!(&error, InputError::Read { bytes, .. } if *bytes > 0), "{program}: {error}");
            assert!(error.to_string().contains("access.log.gz"), "{error}");
        }
        let missing = read_all(&folder.path().join("missing")).unwrap_err();
        assert!(missing.to_string().starts_with("cannot open"), "{missing}");
        assert!(matches!(read_all(folder.path()), Err(InputError::Open { .. })));
    }

    #[test]
    fn a_dash_is_standard_input() {
        assert_eq!(Source::new(Path::new("-")), Source::Stdin);
        assert_eq!(Source::new(Path::new("./-")).name(), "./-");
    }
}
