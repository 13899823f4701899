//! A data set from its file.

use std::path::Path;

use crate::dataset::{Record, decode};
use crate::detect::survey;
use crate::error::Hint;
use crate::part::each_value;
use crate::report::ImportReport;
use crate::source::{Limits, Source};
use crate::{Format, ImportError};

/// Reads a data set of any size, every user's conversations in the order of the file.
///
/// # Errors
/// What `sink` returns; [`ImportError`] where `path` is not a data set or cannot be read.
pub fn read_dataset<E: From<ImportError>>(
    path: &Path,
    mut sink: impl FnMut(Record) -> Result<(), E>,
) -> Result<ImportReport, E> {
    let limits = Limits::default();
    let mut source = Source::open(path, &limits)?;
    let mut survey = survey(path, &mut source, &limits)?;
    if survey.format != Format::Dataset {
        return Err(
            ImportError::Unrecognised { path: path.to_owned(), hint: Hint::NotADataset }.into()
        );
    }
    for part in survey.parts {
        each_value(&mut source, part, &limits, &mut survey.report, |value, tally| {
            let Some(record) = decode(value, tally) else {
                return Ok(());
            };
            tally.report.take(&record.conversation);
            sink(record)
        })?;
    }
    Ok(survey.report)
}
