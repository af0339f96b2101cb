//! What Art. 15(1) GDPR has a person told beside the copy of its data (LAW-03): why each field is
//! processed, on which ground, for how long, who gets to see it, where it comes from, and what rights
//! there are. It is made from the catalogue, as the record of processing is.

use agora_domain::exports::{
    catalogue::{self, FIELDS, Form, LegalBasis},
    export_values::DataCategory,
};
use serde::Serialize;

/// The file's name in the bundle.
pub(super) const FILE: &str = "access.json";

#[derive(Serialize)]
struct Access {
    activities: Vec<Activity>,
    source: &'static str,
    automated_decisions: &'static str,
    transfers: &'static str,
    rights: &'static [Right],
}

#[derive(Serialize)]
struct Activity {
    data_category: &'static str,
    entity: &'static str,
    fields: &'static [&'static str],
    form: Form,
    purpose: &'static str,
    legal_basis: LegalBasis,
    retention: &'static str,
    recipients: &'static str,
    stored_in: Vec<&'static str>,
}

#[derive(Serialize)]
struct Right {
    article: &'static str,
    right: &'static str,
    how: &'static str,
}

const fn right(article: &'static str, right: &'static str, how: &'static str) -> Right {
    Right { article, right, how }
}

const RIGHTS: &[Right] = &[
    right("Art. 15 and 20", "a copy of the data", "request-export, with kind subject_data"),
    right("Art. 16", "rectification", "change-display-name, change-email, edit-post, edit-comment"),
    right("Art. 17", "erasure", "request-deletion"),
    right("Art. 18", "restriction of the processing", "restrict-processing"),
    right("Art. 21", "objection", "object-to-processing"),
    right("Art. 7(3)", "withdrawal of a consent", "withdraw-consent"),
    right(
        "Art. 77",
        "complaint to a supervisory authority",
        "the data protection authority of your country; in Norway Datatilsynet",
    ),
];

/// The file's content for these categories.
pub(super) fn file(categories: &[DataCategory]) -> Result<Vec<u8>, serde_json::Error> {
    let lines = FIELDS.iter().filter(|line| categories.contains(&line.data_category));
    let activities = lines.map(|line| Activity {
        data_category: line.data_category.as_str(),
        entity: line.entity,
        fields: line.fields,
        form: line.form,
        purpose: line.processing.purpose,
        legal_basis: line.processing.legal_basis,
        retention: line.processing.retention,
        recipients: line.processing.recipients,
        stored_in: catalogue::stored_in(line.entity),
    });
    let access = Access {
        activities: activities.collect(),
        source: "The person itself: what it entered, wrote, chose and did, and from which address and device. \
            What an admin did about it is said with the act.",
        automated_decisions: "Addresses are blocked automatically where attacks come from them; an admin \
            lifts that on request. Nothing else is decided about a person without a person (Art. 22).",
        transfers: "None but what the operator of this installation has told of in the privacy policy.",
        rights: RIGHTS,
    };
    serde_json::to_vec_pretty(&access)
}
