//! An organization that reports, so that its tables are compared too.

use serde_json::json;

use crate::{
    agora::{AgoraError, Commands, Session},
    scene,
};

/// An organization with a reporter, whose login chooses it, and a reader who leaves; a report that is
/// submitted and one that is a draft. What the reporter gets in with.
pub(super) async fn act(
    stack: &scene::Stack,
    admin: &mut Commands,
    members: &[Session],
    run: &str,
) -> Result<String, AgoraError> {
    let body = json!({ "name": format!("Organization {run}") });
    let organization = admin.send("create-organization", &body).await?.aggregate_id;
    let place = |session: &Session, role: &str| {
        json!({
            "organization_id": organization, "role": role,
            "principal": { "kind": "member", "id": session.id },
        })
    };
    let [reporter, reader, ..] = members else {
        return Err(AgoraError::Reply { what: "members".to_owned(), lacks: "two of them" });
    };
    admin.send("add-organization-member", &place(reporter, "reader")).await?;
    admin.send("add-organization-member", &place(reporter, "reporter")).await?;
    admin.send("add-organization-member", &place(reader, "reader")).await?;
    let mut removed = place(reader, "reader");
    removed.as_object_mut().map(|body| body.remove("role"));
    admin.send("remove-organization-member", &removed).await?;
    let mut commands = Commands::new(&stack.command_addr);
    let body = json!({
        "email": reporter.email, "password": scene::password(run),
        "organization_id": organization,
    });
    let token = commands.send("log-in", &body).await?.result["token"].clone();
    let token = token.as_str().unwrap_or_default().to_owned();
    commands.act_with(token.clone());
    let sections = |families: u32| {
        json!([{ "key": "families", "title": "Families", "measures": [{
            "key": "counselled", "label": "Families in counselling", "value": families,
            "unit": "families", "note": "One of them is that of Harriet Vane.",
        }] }])
    };
    for (label, from, to) in
        [("2025-Q1", "2025-01-01", "2025-03-31"), ("2025-Q2", "2025-04-01", "2025-06-30")]
    {
        let body = json!({
            "period_label": label, "period_from": from, "period_to": to,
            "schema_version": "1.0", "sections": sections(1),
        });
        let report = commands.send("create-report", &body).await?.aggregate_id;
        let body = json!({ "report_id": report, "sections": sections(2) });
        commands.send("revise-report", &body).await?;
        if label == "2025-Q1" {
            commands.send("submit-report", &json!({ "report_id": report })).await?;
        }
    }
    Ok(token)
}
