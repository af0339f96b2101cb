//! Why an export was not made, and whether it is worth another attempt.

use agora_command_api::refusal::at_once;
use agora_event_store::{LoadError, vault::VaultError};
use agora_service::{objects::StorageError, problem::Problem};
use rust_xlsxwriter::XlsxError;
use zip::result::ZipError;

use super::{formats::FormatError, subject_data::SubjectDataError};

/// It took too long (BUF-26).
pub const AGGREGATION_TIMEOUT: &str = "AGGREGATION_TIMEOUT";
/// The file cannot be made of what the log has.
pub const GENERATION_FAILED: &str = "GENERATION_FAILED";
/// More than its format can hold.
pub const TOO_LARGE: &str = "TOO_LARGE";
/// The database, the vault or the read tables do not answer, or are behind.
pub const DATA_UNAVAILABLE: &str = "DATA_UNAVAILABLE";

#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Another attempt may succeed.
    #[error("{code}: {message}")]
    Later { code: &'static str, message: String },
    /// None would.
    #[error("{code}: {message}")]
    Never { code: &'static str, message: &'static str },
    /// Somebody else has the job now.
    #[error("the lease was lost")]
    Lost,
}

impl Trouble {
    /// What the export says of it: for those who asked, so without what a server said.
    pub fn said(&self) -> (&'static str, &'static str) {
        match self {
            Self::Never { code, message } => (code, message),
            Self::Later { code, .. } => (code, said(code)),
            Self::Lost => (GENERATION_FAILED, said(GENERATION_FAILED)),
        }
    }

    pub fn timeout() -> Self {
        Self::Never { code: AGGREGATION_TIMEOUT, message: said(AGGREGATION_TIMEOUT) }
    }
}

/// What a code means, for people.
pub fn said(code: &str) -> &'static str {
    match code {
        AGGREGATION_TIMEOUT => "Making the file took too long. Ask again later, or for less.",
        TOO_LARGE => "There is more data than this format can hold. Ask for another format.",
        "STORAGE_FULL" => "The storage for files is full. Ask again later.",
        "STORAGE_READ_ONLY" => "The storage for files cannot be written now. Ask again later.",
        "STORAGE_UNAVAILABLE" => "The storage for files cannot be reached now. Ask again later.",
        DATA_UNAVAILABLE => "The data could not be read. Ask again later.",
        _ => "The file could not be made.",
    }
}

impl From<StorageError> for Trouble {
    fn from(error: StorageError) -> Self {
        Self::Later { code: error.code(), message: error.to_string() }
    }
}

impl From<FormatError> for Trouble {
    fn from(error: FormatError) -> Self {
        match &error {
            FormatError::TooManyRows(_) => {
                Self::Never { code: TOO_LARGE, message: said(TOO_LARGE) }
            }
            // A temporary file: spreadsheets have some.
            FormatError::Io(io)
            | FormatError::Xlsx(XlsxError::IoError(io) | XlsxError::TempFileError(_, io))
            | FormatError::Zip(ZipError::Io(io)) => agora_service::objects::why(io).into(),
            _ => {
                tracing::error!(%error, "a document cannot be written");
                Self::Never { code: GENERATION_FAILED, message: said(GENERATION_FAILED) }
            }
        }
    }
}

impl From<SubjectDataError> for Trouble {
    fn from(error: SubjectDataError) -> Self {
        match error {
            SubjectDataError::Database(error) => error.into(),
            SubjectDataError::Vault(error) => error.into(),
            SubjectDataError::Format(error) => error.into(),
            SubjectDataError::Output(error) => agora_service::objects::why(&error).into(),
        }
    }
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Later { code: DATA_UNAVAILABLE, message: error.to_string() }
    }
}

impl From<VaultError> for Trouble {
    fn from(error: VaultError) -> Self {
        Self::Later { code: DATA_UNAVAILABLE, message: error.to_string() }
    }
}

impl From<LoadError> for Trouble {
    fn from(error: LoadError) -> Self {
        Self::from(at_once(error.into()))
    }
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        Self::Later { code: DATA_UNAVAILABLE, message: problem.detail.into_owned() }
    }
}
