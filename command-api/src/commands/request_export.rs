//! `request-export`: a file of a report (O1), of what is stored about a person, or of what is public.

mod content;

use agora_domain::{
    Actor, PersonalCategory,
    exports::{
        bufdir_report::BufdirReport,
        export_job::{
            ExportContent, ExportJob, ExportJobCommand, KnownReport, RequestExport as RequestJob,
            StatutoryReport, SubjectData,
        },
        export_quota::ExportQuota,
        export_values::{
            DataCategory, DeliveryMethod, ExportSource, MobileOs, PlatformExportType,
            SubjectRequestType,
        },
        report_content::PeriodLabel,
        subject_exports::{OpenRequest, SubjectExports, SubjectExportsCommand},
    },
    identity::{admin::Admin, credential::Credential, member::Member},
    ids::{BufdirReportId, ExportJobId, MemberId, OrganizationId},
    values::Email,
};
use agora_service::problem::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

pub(super) use self::content::Statutory;
use self::content::{Asked, FormatWord, Kind, Platform, Subject};
use crate::{
    Command,
    decision::{Decision, Done},
    execute::Caller,
    exports,
    fields::{Field, List, WrongFields},
    mail_tokens::export_token_sha256,
    organizations,
    permission::Roles,
    refusal::{CommandError, no_such},
    reply::Reply,
};

/// Asks for an export.
pub struct RequestExport(Asked);

/// The body of `request-export`. Which fields belong to it depends on `kind`; others are refused.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestExportBody {
    #[schema(value_type = String, required, example = "statutory_report",
             pattern = "^(statutory_report|subject_data|platform_data)$")]
    #[serde(default)]
    kind: Field<Kind>,
    /// Of a report: PDF, CSV, XLSX, JSON or XML. Of a person's data: JSON, CSV, XML or PDF. Of the
    /// platform's: json or csv.
    #[schema(value_type = String, required, example = "PDF",
             pattern = "^(PDF|CSV|XLSX|JSON|XML|json|csv)$")]
    #[serde(default)]
    format: Field<FormatWord>,
    /// `statutory_report`: which one; of the session's organization.
    #[schema(value_type = Option<Uuid>)]
    #[serde(default)]
    bufdir_report_id: Field<BufdirReportId>,
    /// `statutory_report`: may be given, and must then be the report's.
    #[schema(value_type = Option<Uuid>)]
    #[serde(default)]
    organization_id: Field<OrganizationId>,
    /// `statutory_report`: which surface asks.
    #[schema(value_type = Option<String>, pattern = "^(MOBILE_ONE_CLICK|ADMIN_PORTAL)$")]
    #[serde(default)]
    source: Field<ExportSource>,
    /// `statutory_report`: the device's system, such as `iOS 18.2`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 64)]
    #[serde(default)]
    mobile_os: Field<MobileOs>,
    /// `subject_data`: how much.
    #[schema(value_type = Option<String>, pattern = "^(FULL_EXPORT|PARTIAL_EXPORT|SPECIFIC_DATA)$")]
    #[serde(default)]
    request_type: Field<SubjectRequestType>,
    /// `subject_data`: which data; absent for a FULL_EXPORT, which has all.
    #[schema(value_type = Option<Vec<DataCategorySchema>>, min_items = 1)]
    #[serde(default)]
    data_categories: Field<List<DataCategory>>,
    /// `subject_data`: how the person gets it.
    #[schema(value_type = Option<String>, pattern = "^(DOWNLOAD_LINK|EMAIL|SECURE_PORTAL)$")]
    #[serde(default)]
    delivery_method: Field<DeliveryMethod>,
    /// `subject_data` by EMAIL: may be given, and must then be the person's confirmed address.
    #[schema(value_type = Option<String>, format = Email, min_length = 5, max_length = 254)]
    #[serde(default)]
    delivery_address: Field<Email>,
    /// `subject_data`: the member on whose behalf an admin asks, by EMAIL.
    #[schema(value_type = Option<Uuid>)]
    #[serde(default)]
    member_id: Field<MemberId>,
    /// `platform_data`: of what.
    #[schema(value_type = Option<String>, pattern = "^(communities|posts|comments)$")]
    #[serde(default)]
    export_type: Field<PlatformExportType>,
}

/// A part of what is stored about a person.
#[derive(ToSchema)]
#[schema(as = DataCategory, pattern = "^(account|sessions|communities|posts|comments|votes|moderation|searches|consents|exports|organizations|security)$")]
#[expect(dead_code, reason = "it stands in the OpenAPI document alone")]
pub struct DataCategorySchema(String);

impl Command for RequestExport {
    const NAME: &'static str = "request-export";
    const SUMMARY: &'static str =
        "Ask for a file of a report, of one's own data, or of what is public";
    const RULES: &'static [&'static str] = &[
        "OPR-01", "BUF-01", "BUF-02", "BUF-10", "BUF-15", "BUF-20", "DXR-01", "DXR-02", "DXR-08",
        "DXR-09", "DEL-01", "DEL-02", "MEM-05", "ROL-01", "REL-10", "ESX-04",
    ];
    type Body = RequestExportBody;

    fn parse(body: RequestExportBody, wrong: &mut WrongFields) -> Option<Self> {
        content::parse(body, wrong).map(Self)
    }

    fn reply_is_secret(&self) -> bool {
        matches!(&self.0, Asked::Subject(subject) if subject.returns_token())
    }

    fn queue(&self, caller: &Caller) -> Option<String> {
        let actor = caller.actor()?;
        Some(match &self.0 {
            Asked::Statutory(_) => {
                let tenant = caller.principal.as_ref()?.organization?;
                format!("export_quota/{}", tenant.organization_id)
            }
            Asked::Subject(subject) => format!("subject_exports/{}", subject.of(actor)),
            Asked::Platform(_) => format!("export_quota/{actor}"),
        })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        match &self.0 {
            Asked::Statutory(statutory) => report(decision, statutory).await,
            Asked::Subject(subject) => subject_data(decision, subject).await,
            Asked::Platform(platform) => platform_data(decision, platform).await,
        }
    }

    fn answer(reply: Reply) -> Result<Reply, Problem> {
        exports::answer(reply)
    }

    fn example() -> Value {
        json!({
            "kind": "subject_data",
            "request_type": "FULL_EXPORT",
            "format": "JSON",
            "delivery_method": "SECURE_PORTAL",
        })
    }
}

async fn report(decision: &mut Decision<'_>, statutory: &Statutory) -> Result<Done, CommandError> {
    let actor = decision.actor()?;
    exports::require_unrestricted(decision)?;
    let Some(tenant) = organizations::own(decision) else {
        let detail = "Log in with the organization whose report it is.";
        return Err(Problem::forbidden(detail).with_rule("BUF-15").into());
    };
    if !tenant.role.writes() {
        let detail = "Only a reporter of the organization asks for exports of its reports.";
        return Err(Problem::forbidden(detail).with_rule("BUF-15").into());
    }
    let named = statutory.organization_id;
    if named.is_some_and(|named| named != tenant.organization_id) {
        let detail = "The organization is not the report's.";
        return Err(Problem::rule_broken("BUF-02", detail).into());
    }
    let found = find_report(decision, statutory.report_id).await?;
    // That of another tenant is told from none at all by nothing (BUF-15).
    let found = found.filter(|found| found.organization_id == tenant.organization_id);
    let found = found.ok_or_else(no_such_report)?;
    request_report(decision, found, statutory, Some(actor)).await
}

/// A report's state as an export names it.
pub(super) struct Found {
    report_sequence: u64,
    organization_id: OrganizationId,
    report_period_label: PeriodLabel,
}

/// The report, if there is one.
pub(super) async fn find_report(
    decision: &mut Decision<'_>,
    report_id: BufdirReportId,
) -> Result<Option<Found>, CommandError> {
    let report = decision.load::<BufdirReport>(report_id.to_string()).await?;
    Ok(report.state.document().map(|document| Found {
        report_sequence: report.sequence,
        organization_id: document.organization_id,
        report_period_label: document.period_label.clone(),
    }))
}

/// Begins the export of a report; nobody asks where the platform itself does.
pub(super) async fn request_report(
    decision: &mut Decision<'_>,
    found: Found,
    statutory: &Statutory,
    requested_by: Option<Actor>,
) -> Result<Done, CommandError> {
    let organization_id = found.organization_id;
    let content = ExportContent::StatutoryReport(StatutoryReport {
        report_id: statutory.report_id,
        report_sequence: found.report_sequence,
        organization_id: statutory.organization_id.unwrap_or(organization_id),
        source: statutory.source,
        format: statutory.format,
        report_period_label: found.report_period_label,
        mobile_os: statutory.mobile_os.clone(),
    });
    let quota = ExportQuota::of_organization(organization_id);
    let report = Some(KnownReport { organization_id });
    exports::request(decision, quota, content, report, requested_by).await
}

pub(super) fn no_such_report() -> CommandError {
    Problem::not_found("There is no such report.").with_rule("BUF-01").into()
}

async fn platform_data(
    decision: &mut Decision<'_>,
    platform: &Platform,
) -> Result<Done, CommandError> {
    let actor = decision.actor()?;
    exports::require_unrestricted(decision)?;
    if !exports::roles(decision).include(Roles::MEMBER.and(Roles::ADMIN)) {
        let detail = "Your role may not export the platform's data.";
        return Err(Problem::forbidden(detail).with_rule("ROL-01").into());
    }
    let Platform { export_type, format } = *platform;
    let content = ExportContent::PlatformData { export_type, format };
    exports::request(decision, ExportQuota::of_principal(actor), content, None, Some(actor)).await
}

async fn subject_data(decision: &mut Decision<'_>, asked: &Subject) -> Result<Done, CommandError> {
    let actor = decision.actor()?;
    let subject = asked.of(actor);
    if subject != actor && !exports::roles(decision).include(Roles::ADMIN_IN_PERSON) {
        let detail = "Only an admin asks on somebody else's behalf.";
        return Err(Problem::forbidden(detail).with_rule("DEL-02").into());
    }
    if let Some(principal) = &decision.caller.principal {
        principal.require_session()?;
    }
    let email = confirmed_email(decision, subject).await?;
    let by_mail = asked.delivery_method == DeliveryMethod::Email;
    let is_own = asked
        .delivery_address
        .as_ref()
        .is_none_or(|given| email.as_ref().is_some_and(|email| email.folded() == given.folded()));
    if (by_mail && email.is_none()) || !is_own {
        let detail = "The address must be the person's own, and confirmed.";
        return Err(Problem::rule_broken("DXR-08", detail).into());
    }
    let job_id: ExportJobId = decision.new_id();
    let now = decision.now;
    let requests = decision.load::<SubjectExports>(SubjectExports::stream_id(subject)).await?;
    if let (None, Some(until)) = (requests.state.open(), requests.state.waits_until(now)) {
        return Err(exports::too_soon(until, now).into());
    }
    let open = OpenRequest { subject, job_id, now };
    decision.decide(&requests, SubjectExportsCommand::Open(open)).await?;
    let token = decision.app.export_token(job_id, subject);
    let sha256 = export_token_sha256(&token).into_boxed_str();
    let address = email.filter(|_| by_mail);
    let content = ExportContent::SubjectData(SubjectData {
        subject,
        request_type: asked.request_type,
        data_categories: asked.data_categories.clone(),
        format: asked.format,
        delivery_method: asked.delivery_method,
        delivery_address: address
            .map(|email| decision.about(subject.id, PersonalCategory::Identity, email)),
        verification_token_sha256: decision.about(subject.id, PersonalCategory::Credential, sha256),
    });
    let request = RequestJob {
        job_id,
        content,
        report: None,
        requested_by: Some(actor),
        triggered_at: now,
        rate_limited_until: None,
    };
    let job = decision.begin::<ExportJob>(job_id);
    decision.decide(&job, ExportJobCommand::Request(request)).await?;
    let done = Done::of::<ExportJob>(job_id);
    Ok(if asked.returns_token() {
        done.with_result(json!({ "verification_token": token.as_str() }))
    } else {
        done
    })
}

/// The address that a person gets mail at; none where it is not confirmed.
async fn confirmed_email(
    decision: &mut Decision<'_>,
    subject: Actor,
) -> Result<Option<Email>, CommandError> {
    let id = subject.id.to_string();
    let credential_id = if subject.is_admin() {
        decision.load::<Admin>(&id).await?.state.credential_id()
    } else {
        let member = decision.load::<Member>(&id).await?;
        if !member.state.may_log_in() {
            return Err(no_such("member"));
        }
        member.state.credential_id()
    };
    let Some(credential_id) = credential_id else { return Ok(None) };
    let credential = decision.load::<Credential>(credential_id.to_string()).await?;
    let confirmed = credential.state.password_hash().is_some();
    Ok(credential.state.email().filter(|_| confirmed).cloned())
}
