//! After a restore: what the ledger says was destroyed is destroyed again, before anything serves
//! (DDR-16).

use std::time::Duration;

use agora_domain::ids::DeletionId;
use agora_event_store::erasures::{Entry, LedgerError};

use super::{Eraser, Trouble, stores::takes_content};

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reapplied {
    pub erasures: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum ReapplyError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("erasure {deletion_id}: {trouble}")]
    Entry { deletion_id: DeletionId, trouble: Trouble },
}

/// Carries out again everything that the ledger names. It can be run as often as one likes, and must
/// have succeeded before a restored database serves.
///
/// # Errors
/// Where the ledger cannot be read, or something could not be destroyed: nothing may serve then.
pub async fn reapply(eraser: &Eraser) -> Result<Reapplied, ReapplyError> {
    let entries = eraser.ledger().read()?;
    for entry in &entries {
        apply(eraser, entry).await.map_err(|trouble| ReapplyError::Entry {
            deletion_id: DeletionId(entry.deletion_id),
            trouble,
        })?;
    }
    // One for all: whoever is restored pays for it once.
    if !entries.is_empty() {
        let rewritten = eraser.app.log.vault().rewrite().await;
        rewritten.map_err(|error| ReapplyError::Entry {
            deletion_id: DeletionId::default(),
            trouble: error.into(),
        })?;
    }
    Ok(Reapplied { erasures: entries.len() })
}

async fn apply(eraser: &Eraser, entry: &Entry) -> Result<(), Trouble> {
    let (deletion_id, subject) = (DeletionId(entry.deletion_id), entry.subject);
    if entry.closes_account {
        eraser.close_account(deletion_id, subject).await?;
        // No mail leaves while nothing serves.
        eraser.remove_mails(subject, Duration::ZERO).await?;
    }
    eraser.destroy_keys(entry).await?;
    if takes_content(entry) {
        // The tables are rebuilt after a restore; what asks for it here is for those who do not.
        eraser.ask_for_new_search_tables(subject).await?;
    }
    if takes_content(entry) || entry.closes_account {
        eraser.forget_searches(subject).await?;
    }
    eraser.remove_restored_files(subject, deletion_id).await
}
