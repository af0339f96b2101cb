//! What happens to organizations, who is in them, and their reports.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::{
    scene::{Fact, fact},
    story::{ADMIN, MEMBER, id, member, sealed},
};

pub const ORGANIZATION: u128 = 17;
pub const REPORT: u128 = 18;

fn admin() -> Value {
    json!({ "kind": "admin", "id": id(ADMIN, 0) })
}

pub fn organization_created(number: usize) -> Fact {
    let fields = json!({ "organization_id": id(ORGANIZATION, number),
        "name": format!("Organization {number}"), "created_by": admin() });
    fact("organization", id(ORGANIZATION, number), "OrganizationCreated", fields)
        .by(&format!("admin:{}", id(ADMIN, 0)))
}

/// Somebody's place in an organization; without a role it is taken away.
pub fn placed(organization: usize, who: usize, kind: &'static str, role: Option<&str>) -> Fact {
    let mut fields = json!({ "organization_id": id(ORGANIZATION, organization),
        "principal": member(id(MEMBER, who)) });
    if let Some(role) = role {
        fields["role"] = role.into();
    }
    let stream = format!("{}-member-{}", id(ORGANIZATION, organization), id(MEMBER, who));
    fact("organization_membership", stream, kind, fields).by(&format!("admin:{}", id(ADMIN, 0)))
}

/// An event of a report, with all of it after the event.
pub fn on_report(number: usize, kind: &'static str, families: usize, who: usize) -> Fact {
    let note = (families > 0).then(|| sealed("content", &format!("note{families}")));
    let measures: Vec<Value> = (0..families)
        .map(|measure| {
            json!({ "key": format!("m{measure}"), "label": "Families",
                "value": { "type": "number", "value": families.to_string() }, "unit": null,
                "note": note })
        })
        .collect();
    let report = json!({
        "report_id": id(REPORT, number), "organization_id": id(ORGANIZATION, 0),
        "period_label": "2025-Q1", "period_from": "2025-01-01",
        "period_to": if families > 1 { "2025-03-31" } else { "2025-02-28" },
        "schema_version": "1.0",
        "sections": [{ "key": "families", "title": "Families", "measures": measures }],
    });
    let by = match kind {
        "BufdirReportCreated" => "created_by",
        "BufdirReportRevised" => "revised_by",
        _ => "submitted_by",
    };
    let fields = json!({ "report": report, by: member(id(MEMBER, who)) });
    fact("bufdir_report", id(REPORT, number), kind, fields)
}

/// Who is where, and which reports are drafts, while a story is told.
#[derive(Default)]
pub struct Reports {
    roles: HashMap<usize, &'static str>,
    submitted: Vec<bool>,
}

impl Reports {
    /// What every story begins with.
    pub fn begin(&mut self, told: &mut Vec<Fact>) {
        told.push(organization_created(0));
        told.push(placed(0, 0, "OrganizationMemberAdded", Some("reporter")));
        told.push(on_report(0, "BufdirReportCreated", 1, 0));
        self.roles.insert(0, "reporter");
        self.submitted.push(false);
    }

    /// What may happen next, by three rolls of the dice.
    pub fn next(&mut self, who: usize, choice: usize, families: usize) -> Fact {
        if choice == 0 {
            return match self.roles.remove(&who) {
                Some("reader") => placed(0, who, "OrganizationMemberRemoved", None),
                Some(_) => {
                    self.roles.insert(who, "reader");
                    placed(0, who, "OrganizationMemberRoleChanged", Some("reader"))
                }
                None => {
                    self.roles.insert(who, "reporter");
                    placed(0, who, "OrganizationMemberAdded", Some("reporter"))
                }
            };
        }
        let number = self.submitted.len() - 1;
        if self.submitted[number] {
            self.submitted.push(false);
            return on_report(number + 1, "BufdirReportCreated", families, who);
        }
        if choice == 1 {
            self.submitted[number] = true;
            return on_report(number, "BufdirReportSubmitted", families, who);
        }
        on_report(number, "BufdirReportRevised", families, who)
    }
}
