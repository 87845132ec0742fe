//! Logs of the command line, recognised and put in the order of their times.

use std::path::PathBuf;

use seawall_http::UnixTime;
use seawall_logs::{Format, Formats};

use crate::analyze::input::{Input, InputError, Source};
use crate::analyze::read::Sample;

/// A log whose format is known.
#[derive(Debug)]
pub struct Log {
    source: Source,
    formats: Formats,
    share: f64,
    first: Option<UnixTime>,
    size: Option<u64>,
    /// What cannot be opened twice: a pipe.
    held: Option<(Input, Sample)>,
}

/// Why a log is left out.
#[derive(Debug)]
pub enum Unread {
    /// It cannot be read.
    Input(InputError),
    /// No known format reads any of its lines.
    Unrecognised(String),
    /// It holds nothing.
    Empty(String),
}

impl Log {
    /// Opens a log and looks at its beginning.
    ///
    /// # Errors
    ///
    /// If it cannot be read, is empty, or is no log.
    pub fn open(source: Source, format: Option<&Format>) -> Result<Self, Unread> {
        let mut input = Input::open(&source).map_err(Unread::Input)?;
        let sample = Sample::read(&mut input).map_err(Unread::Input)?;
        if sample.is_empty() {
            return Err(Unread::Empty(source.name()));
        }
        let (formats, share) = match (format, sample.detect()) {
            (Some(format), _) => (Formats::from(format.clone()), 1.0),
            (None, Some(detection)) => {
                let share = detection.share();
                (detection.formats, share)
            }
            (None, None) => return Err(Unread::Unrecognised(source.name())),
        };
        let first = sample.earliest(&formats);
        let size = input.size();
        let held = size.is_none().then_some((input, sample));
        Ok(Self { source, formats, share, first, size, held })
    }

    /// As a person reads it.
    pub fn name(&self) -> String {
        self.source.name()
    }

    /// Its formats: nearly always one.
    pub fn formats(&self) -> &Formats {
        &self.formats
    }

    /// The share of its first lines that its first format reads, from 0 to 1.
    pub fn share(&self) -> f64 {
        self.share
    }

    /// Bytes of the file, as compressed; `None` for standard input and pipes.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// Opens it again, where it was closed meanwhile: no more than one is open at a time but for pipes.
    ///
    /// # Errors
    ///
    /// If that cannot be done.
    pub fn reopen(self) -> Result<(Input, Sample), InputError> {
        match self.held {
            Some(held) => Ok(held),
            None => {
                let mut input = Input::open(&self.source)?;
                let sample = Sample::read(&mut input)?;
                Ok((input, sample))
            }
        }
    }
}

/// Opens logs, and puts them in the order of their first lines' times: a shell lists `access.log` before the older
/// `access.log.1`. Those without times come last, as they were named.
pub fn open(paths: &[PathBuf], format: Option<&Format>, mut unread: impl FnMut(Unread)) -> Vec<Log> {
    let mut logs = Vec::new();
    for path in paths {
        match Log::open(Source::new(path), format) {
            Ok(log) => logs.push(log),
            Err(error) => unread(error),
        }
    }
    logs.sort_by_key(|log| (log.first.is_none(), log.first));
    logs
}
