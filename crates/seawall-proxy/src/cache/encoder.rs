//! Encodes content on its way into the store (RFC 9110 §8.4.1), a piece at a time.
//!
//! Once for all who take the coding, so with more effort than an edge that does it for each client anew: gzip 6, Brotli 5,
//! Zstandard 9. At these a core encodes some 30 MB of text a second.

use std::io::{self, Write};

use brotli::CompressorWriter;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use seawall_http::Coding;

/// An encoder of one response's content.
pub(crate) enum Encoder {
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Gzip(Box<GzEncoder<Vec<u8>>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Encoder {
    pub(crate) fn new(coding: Coding) -> io::Result<Self> {
        Ok(match coding {
            Coding::Brotli => {
                let window_bits = 22;
                Self::Brotli(Box::new(CompressorWriter::new(Vec::new(), BUFFER_BYTES, 5, window_bits)))
            }
            Coding::Gzip => Self::Gzip(Box::new(GzEncoder::new(Vec::new(), Compression::new(6)))),
            Coding::Zstd => Self::Zstd(zstd::stream::write::Encoder::new(Vec::new(), 9)?),
        })
    }

    /// Takes in at most [`PIECE_BYTES`], and gives what has become of it and of what came before; often nothing yet.
    pub(crate) fn write(&mut self, piece: &[u8]) -> io::Result<Bytes> {
        let written = match self {
            Self::Brotli(encoder) => {
                encoder.write_all(piece)?;
                encoder.get_mut()
            }
            Self::Gzip(encoder) => {
                encoder.write_all(piece)?;
                encoder.get_mut()
            }
            Self::Zstd(encoder) => {
                encoder.write_all(piece)?;
                encoder.get_mut()
            }
        };
        Ok(std::mem::take(written).into())
    }

    /// What is left when all has been taken in.
    pub(crate) fn finish(self) -> io::Result<Bytes> {
        let written = match self {
            Self::Brotli(encoder) => encoder.into_inner(),
            Self::Gzip(encoder) => encoder.finish()?,
            Self::Zstd(encoder) => encoder.finish()?,
        };
        Ok(written.into())
    }
}

/// So much is encoded before other tasks of the worker have their turn: half a millisecond.
pub(crate) const PIECE_BYTES: usize = 16 << 10;
const BUFFER_BYTES: usize = 8 << 10;

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    fn decode(coding: Coding, encoded: &[u8]) -> Vec<u8> {
        let mut content = Vec::new();
        match coding {
            Coding::Brotli => brotli::Decompressor::new(encoded, 4096).read_to_end(&mut content),
            Coding::Gzip => flate2::read::GzDecoder::new(encoded).read_to_end(&mut content),
            Coding::Zstd => zstd::stream::read::Decoder::new(encoded).unwrap().read_to_end(&mut content),
        }
        .unwrap();
        content
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn what_is_encoded_can_be_decoded(pieces in proptest::collection::vec(proptest::collection::vec(0_u8..8, 0..3000), 0..6)) {
            for coding in Coding::ALL {
                let mut encoder = Encoder::new(coding).unwrap();
                let mut encoded = Vec::new();
                for piece in &pieces {
                    encoded.extend_from_slice(&encoder.write(piece).unwrap());
                }
                encoded.extend_from_slice(&encoder.finish().unwrap());
                prop_assert_eq!(decode(coding, &encoded), pieces.concat());
            }
        }
    }

    #[test]
    fn text_shrinks() {
        let text = b"the same words again and again, ".repeat(512);
        for coding in Coding::ALL {
            let mut encoder = Encoder::new(coding).unwrap();
            let bytes = encoder.write(&text).unwrap().len() + encoder.finish().unwrap().len();
            assert!(bytes < text.len() / 10, "{coding:?}: {bytes}");
        }
    }
}
