//! After a restore: what the ledger says was destroyed is destroyed again, before anything serves
//! (DDR-16).

use std::time::Duration;

use agora_domain::{identity::admin_roster::AdminRoster, ids::DeletionId};
use agora_event_store::erasures::{Entry, LedgerError};

use super::{Eraser, Trouble, stores::takes_content};

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reapplied {
    pub erasures: usize,
    /// The restored log knows of no admin but those who are erased.
    pub no_admin_is_left: bool,
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
/// Where the ledger cannot be read, or something could not be destroyed: nothing may serve then. What
/// fails of one line keeps nothing of another from being done.
pub async fn reapply(eraser: &Eraser) -> Result<Reapplied, ReapplyError> {
    let entries = eraser.ledger().read()?;
    let mut failed = Vec::new();
    // The keys of all come first: they are what must not be there.
    for entry in &entries {
        failed.extend(destroy(eraser, entry).await.err().map(|trouble| (entry, trouble)));
    }
    for entry in &entries {
        failed.extend(clear(eraser, entry).await.err().map(|trouble| (entry, trouble)));
    }
    if let Some((entry, trouble)) = failed.into_iter().next() {
        let deletion_id = DeletionId(entry.deletion_id);
        return Err(ReapplyError::Entry { deletion_id, trouble });
    }
    let mut no_admin_is_left = false;
    // One for all: whoever is restored pays for it once.
    if let Some(last) = entries.last() {
        let failed = |trouble| {
            let deletion_id = DeletionId(last.deletion_id);
            ReapplyError::Entry { deletion_id, trouble }
        };
        eraser.app.log.vault().rewrite().await.map_err(|error| failed(error.into()))?;
        let roster = eraser.app.log.load_fresh::<AdminRoster>(AdminRoster::STREAM_ID).await;
        let roster = roster.map_err(|error| failed(Trouble::Refused(error.to_string())))?;
        no_admin_is_left = roster.state.is_empty();
    }
    Ok(Reapplied { erasures: entries.len(), no_admin_is_left })
}

/// Destroys the keys, whatever becomes of the mails; these come first, for the keys tell the addresses.
async fn destroy(eraser: &Eraser, entry: &Entry) -> Result<(), Trouble> {
    let mails = if entry.closes_account {
        // No mail leaves while nothing serves.
        eraser.remove_mails(entry.subject, Duration::ZERO).await.map(|_| ())
    } else {
        Ok(())
    };
    eraser.destroy_keys(entry).await?;
    mails
}

async fn clear(eraser: &Eraser, entry: &Entry) -> Result<(), Trouble> {
    let (deletion_id, subject) = (DeletionId(entry.deletion_id), entry.subject);
    if entry.closes_account {
        eraser.close_account(deletion_id, subject, true).await?;
    }
    if takes_content(entry) {
        // The tables are rebuilt after a restore; what asks for it here is for those who do not.
        eraser.ask_for_new_search_tables(subject).await?;
    }
    if takes_content(entry) || entry.closes_account {
        eraser.forget_searches(subject).await?;
    }
    eraser.remove_restored_files(subject, deletion_id).await
}
