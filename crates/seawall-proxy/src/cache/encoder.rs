//! Compresses content as it comes (RFC 1952, RFC 7932, RFC 8878).
//!
//! What is stored compressed is read many times, so the levels are a little above those of servers that compress for each
//! request; `examples/encode_cost.rs` has the figures. No encoder looks further back than [`WINDOW_BYTES_LOG`] says, which bounds
//! its memory, and RFC 9659 demands no more than 8 MiB.

use std::io::{self, Write as _};

use brotli::enc::BrotliEncoderParams;
use brotli::enc::backward_references::BrotliEncoderMode;
use bytes::Bytes;
use flate2::{Compression, GzBuilder};
use seawall_http::Coding;

/// Takes content, gives what it becomes in a coding.
pub(crate) struct Encoder {
    work: Work,
    /// Whether it holds content that it has given nothing for yet.
    is_holding: bool,
}

/// The writers put what is ready into the vector at their end.
enum Work {
    Gzip(flate2::write::GzEncoder<Vec<u8>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    Zstd(zstd::Encoder<'static, Vec<u8>>),
}

impl Encoder {
    /// For content of this length, where that is known.
    ///
    /// # Errors
    ///
    /// When there is no memory for it.
    pub(crate) fn new(coding: Coding, length: Option<u64>) -> io::Result<Self> {
        let work = match coding {
            Coding::Gzip => {
                Work::Gzip(GzBuilder::new().mtime(0).write(Vec::new(), Compression::new(GZIP_LEVEL)))
            }
            Coding::Brotli => Work::Brotli(Box::new(brotli(length))),
            Coding::Zstd => Work::Zstd(zstd(length)?),
        };
        Ok(Self { work, is_holding: false })
    }

    /// Adds content. It takes time in proportion to its length: the caller cuts it into slices ([`SLICE_BYTES`]). Gives what is
    /// ready, which may be nothing.
    ///
    /// # Errors
    ///
    /// When there is no memory for it.
    pub(crate) fn push(&mut self, content: &[u8]) -> io::Result<Bytes> {
        self.is_holding |= !content.is_empty();
        match &mut self.work {
            Work::Gzip(writer) => writer.write_all(content)?,
            Work::Brotli(writer) => writer.write_all(content)?,
            Work::Zstd(writer) => writer.write_all(content)?,
        }
        Ok(self.take())
    }

    /// Whether [`Encoder::flush`] would give something.
    pub(crate) fn is_holding(&self) -> bool {
        self.is_holding
    }

    /// Gives all that it holds, at the cost of some bytes.
    ///
    /// # Errors
    ///
    /// As for [`Encoder::push`].
    pub(crate) fn flush(&mut self) -> io::Result<Bytes> {
        match &mut self.work {
            Work::Gzip(writer) => writer.flush()?,
            Work::Brotli(writer) => writer.flush()?,
            Work::Zstd(writer) => writer.flush()?,
        }
        self.is_holding = false;
        Ok(self.take())
    }

    /// Ends the content, and gives the rest.
    ///
    /// # Errors
    ///
    /// As for [`Encoder::push`].
    pub(crate) fn finish(self) -> io::Result<Bytes> {
        let rest = match self.work {
            Work::Gzip(writer) => writer.finish()?,
            Work::Brotli(writer) => writer.into_inner(),
            Work::Zstd(writer) => writer.finish()?,
        };
        Ok(rest.into())
    }

    fn take(&mut self) -> Bytes {
        let ready = match &mut self.work {
            Work::Gzip(writer) => writer.get_mut(),
            Work::Brotli(writer) => writer.get_mut(),
            Work::Zstd(writer) => writer.get_mut(),
        };
        std::mem::take(ready).into()
    }
}

fn brotli(length: Option<u64>) -> brotli::CompressorWriter<Vec<u8>> {
    let parameters = BrotliEncoderParams {
        quality: BROTLI_QUALITY,
        lgwin: i32::try_from(window_log(length)).unwrap_or(BROTLI_BLOCK_LOG),
        // It works on whole blocks at once.
        lgblock: BROTLI_BLOCK_LOG,
        mode: BrotliEncoderMode::BROTLI_MODE_TEXT,
        size_hint: length.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(BROTLI_BYTES_USUAL),
        ..BrotliEncoderParams::default()
    };
    brotli::CompressorWriter::with_params(Vec::new(), BROTLI_BUFFER_BYTES, &parameters)
}

fn zstd(length: Option<u64>) -> io::Result<zstd::Encoder<'static, Vec<u8>>> {
    let mut encoder = zstd::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
    encoder.window_log(window_log(length))?;
    Ok(encoder)
}

/// No larger a window than the content could use.
fn window_log(length: Option<u64>) -> u32 {
    let needed = length.map_or(WINDOW_BYTES_LOG, |bytes| bytes.max(1).next_power_of_two().ilog2());
    needed.clamp(WINDOW_BYTES_LOG_MIN, WINDOW_BYTES_LOG)
}

/// How much to push at a time, so that the rest of the worker waits no longer than a millisecond or two for its turn.
pub(crate) const SLICE_BYTES: usize = 32 << 10;

/// 512 KiB: few texts repeat themselves from further away.
const WINDOW_BYTES_LOG: u32 = 19;
/// 64 KiB, a block of Brotli's.
const WINDOW_BYTES_LOG_MIN: u32 = 16;
const GZIP_LEVEL: u32 = 6;
const BROTLI_QUALITY: i32 = 5;
const BROTLI_BLOCK_LOG: i32 = 16;
/// Without a hint it would take long content for short, and find much less.
const BROTLI_BYTES_USUAL: usize = 1 << 20;
const BROTLI_BUFFER_BYTES: usize = 16 << 10;
const ZSTD_LEVEL: i32 = 6;

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proptest::prelude::*;

    use super::*;

    fn decoded(coding: Coding, mut encoded: &[u8]) -> Vec<u8> {
        let mut content = Vec::new();
        let read = match coding {
            Coding::Gzip => flate2::read::GzDecoder::new(&mut encoded).read_to_end(&mut content),
            Coding::Brotli => brotli::Decompressor::new(&mut encoded, 4096).read_to_end(&mut content),
            Coding::Zstd => zstd::Decoder::new(&mut encoded).and_then(|mut d| d.read_to_end(&mut content)),
        };
        read.unwrap();
        content
    }

    /// What a client has that reads as far as this.
    fn decoded_so_far(coding: Coding, encoded: &[u8], length: usize) -> Vec<u8> {
        let mut content = vec![0; length];
        match coding {
            Coding::Gzip => flate2::read::GzDecoder::new(encoded).read_exact(&mut content),
            Coding::Brotli => brotli::Decompressor::new(encoded, 4096).read_exact(&mut content),
            Coding::Zstd => zstd::Decoder::new(encoded).and_then(|mut d| d.read_exact(&mut content)),
        }
        .unwrap();
        content
    }

    fn encoded(coding: Coding, length: Option<u64>, slices: &[(Vec<u8>, bool)]) -> Vec<u8> {
        let mut encoder = Encoder::new(coding, length).unwrap();
        let mut encoded = Vec::new();
        for (slice, is_flushed) in slices {
            encoded.extend(encoder.push(slice).unwrap());
            if *is_flushed {
                encoded.extend(encoder.flush().unwrap());
            }
        }
        encoded.extend(encoder.finish().unwrap());
        encoded
    }

    #[test]
    fn text_shrinks_in_each_coding() {
        let page = "<li class=\"item\"><a href=\"/a\">An item</a></li>\n".repeat(4000);
        for coding in Coding::ALL {
            let slices = page.as_bytes().chunks(SLICE_BYTES).map(|slice| (slice.to_vec(), false));
            let encoded = encoded(coding, None, &slices.collect::<Vec<_>>());
            assert!(encoded.len() * 50 < page.len(), "{coding:?}: {}", encoded.len());
            assert_eq!(decoded(coding, &encoded), page.as_bytes());
        }
    }

    #[test]
    fn flushed_content_can_be_decoded_at_once() {
        for coding in Coding::ALL {
            let mut encoder = Encoder::new(coding, None).unwrap();
            let mut encoded = Vec::new();
            let mut length = 0;
            for part in ["first ", "second", ""] {
                encoded.extend(encoder.push(part.as_bytes()).unwrap());
                assert_eq!(encoder.is_holding(), !part.is_empty());
                encoded.extend(encoder.flush().unwrap());
                length += part.len();
                assert_eq!(decoded_so_far(coding, &encoded, length), b"first second"[..length], "{coding:?}");
            }
            assert!(!encoder.is_holding());
        }
    }

    #[test]
    fn no_content_is_encoded_as_such() {
        for coding in Coding::ALL {
            assert_eq!(decoded(coding, &encoded(coding, Some(0), &[])), b"");
        }
    }

    #[test]
    fn window_is_no_larger_than_the_content() {
        let windows = [None, Some(0), Some(65_536), Some(65_537), Some(300_000), Some(u64::MAX >> 1)];
        assert_eq!(windows.map(window_log), [19, 16, 16, 17, 19, 19]);
    }

    fn slices() -> impl Strategy<Value = Vec<(Vec<u8>, bool)>> {
        let text = "[a-d<>\n]{0,400}".prop_map(String::into_bytes);
        let repeated = (text, 1..60_usize).prop_map(|(text, times)| text.repeat(times));
        let noise = prop::collection::vec(any::<u8>(), 0..9000);
        prop::collection::vec((prop_oneof![repeated, noise], prop::bool::weighted(0.2)), 0..12)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn decoded_content_is_what_was_pushed(
            slices in slices(),
            knows_length in any::<bool>(),
            coding in prop::sample::select(Coding::ALL.to_vec()),
        ) {
            let content = slices.iter().map(|slice| slice.0.as_slice()).collect::<Vec<_>>().concat();
            let length = knows_length.then_some(content.len() as u64);
            prop_assert_eq!(decoded(coding, &encoded(coding, length, &slices)), content);
        }
    }
}
