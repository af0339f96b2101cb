//! What may be asked for: of the body's fields, those of its kind.

use std::str::FromStr;

use agora_domain::{
    Actor, RuleBreak,
    exports::export_values::{
        DataCategory, DeliveryMethod, ExportSource, MobileOs, PlatformExportType, PlatformFormat,
        ReportFormat, SubjectFormat, SubjectRequestType,
    },
    ids::{BufdirReportId, MemberId, OrganizationId},
    values::Email,
};

use super::RequestExportBody;
use crate::fields::{Field, List, WrongFields};

pub(in crate::commands) enum Asked {
    Statutory(Statutory),
    Subject(Subject),
    Platform(Platform),
}

pub(in crate::commands) struct Statutory {
    pub(in crate::commands) report_id: BufdirReportId,
    pub(in crate::commands) organization_id: Option<OrganizationId>,
    pub(in crate::commands) source: ExportSource,
    pub(in crate::commands) format: ReportFormat,
    pub(in crate::commands) mobile_os: Option<MobileOs>,
}

pub(super) struct Subject {
    /// On whose behalf; its own, where nobody's.
    member_id: Option<MemberId>,
    pub(super) request_type: SubjectRequestType,
    pub(super) data_categories: Vec<DataCategory>,
    pub(super) format: SubjectFormat,
    pub(super) delivery_method: DeliveryMethod,
    pub(super) delivery_address: Option<Email>,
}

impl Subject {
    /// Whose data.
    pub(super) fn of(&self, sender: Actor) -> Actor {
        self.member_id.map_or(sender, Actor::member)
    }

    /// Whether the reply holds what lets the person download it: by mail it is in the mail alone, and
    /// an admin never gets it.
    pub(super) fn returns_token(&self) -> bool {
        self.delivery_method != DeliveryMethod::Email && self.member_id.is_none()
    }
}

#[derive(Clone, Copy)]
pub(super) struct Platform {
    pub(super) export_type: PlatformExportType,
    pub(super) format: PlatformFormat,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    StatutoryReport,
    SubjectData,
    PlatformData,
}

impl FromStr for Kind {
    type Err = RuleBreak;

    fn from_str(text: &str) -> Result<Self, RuleBreak> {
        match text {
            "statutory_report" => Ok(Self::StatutoryReport),
            "subject_data" => Ok(Self::SubjectData),
            "platform_data" => Ok(Self::PlatformData),
            _ => Err(RuleBreak::new(
                "DEL-06",
                "must be statutory_report, subject_data or platform_data",
            )),
        }
    }
}

/// What it is depends on the kind.
#[derive(Clone, Debug)]
pub(super) struct FormatWord(String);

impl FromStr for FormatWord {
    type Err = RuleBreak;

    fn from_str(text: &str) -> Result<Self, RuleBreak> {
        Ok(Self(text.to_owned()))
    }
}

const OTHER_KIND: &str = "is of another kind of export";

pub(super) fn parse(mut body: RequestExportBody, wrong: &mut WrongFields) -> Option<Asked> {
    let kind = wrong.required("/kind", std::mem::take(&mut body.kind))?;
    let is = |wanted: Kind| std::mem::discriminant(&kind) == std::mem::discriminant(&wanted);
    if !is(Kind::StatutoryReport) {
        wrong.absent("/bufdir_report_id", &body.bufdir_report_id, OTHER_KIND);
        wrong.absent("/organization_id", &body.organization_id, OTHER_KIND);
        wrong.absent("/source", &body.source, OTHER_KIND);
        wrong.absent("/mobile_os", &body.mobile_os, OTHER_KIND);
    }
    if !is(Kind::SubjectData) {
        wrong.absent("/request_type", &body.request_type, OTHER_KIND);
        wrong.absent("/delivery_method", &body.delivery_method, OTHER_KIND);
        wrong.absent("/delivery_address", &body.delivery_address, OTHER_KIND);
        wrong.absent("/member_id", &body.member_id, OTHER_KIND);
        wrong.absent("/data_categories", &body.data_categories, OTHER_KIND);
    }
    if !is(Kind::PlatformData) {
        wrong.absent("/export_type", &body.export_type, OTHER_KIND);
    }
    Some(match kind {
        Kind::StatutoryReport => {
            let format = format(body.format, wrong);
            let report_id = wrong.required_by("BUF-01", "/bufdir_report_id", body.bufdir_report_id);
            let organization_id = wrong.optional("/organization_id", body.organization_id);
            let source = wrong.required("/source", body.source);
            let mobile_os = wrong.optional("/mobile_os", body.mobile_os);
            Asked::Statutory(Statutory {
                report_id: report_id?,
                organization_id: organization_id?,
                source: source?,
                format: format?,
                mobile_os: mobile_os?,
            })
        }
        Kind::SubjectData => Asked::Subject(subject(body, wrong)?),
        Kind::PlatformData => {
            let export_type = wrong.required("/export_type", body.export_type);
            let format = format(body.format, wrong);
            Asked::Platform(Platform { export_type: export_type?, format: format? })
        }
    })
}

fn subject(body: RequestExportBody, wrong: &mut WrongFields) -> Option<Subject> {
    let format = format(body.format, wrong);
    let request_type = wrong.required("/request_type", body.request_type);
    let delivery_method = wrong.required("/delivery_method", body.delivery_method);
    let delivery_address = wrong.optional("/delivery_address", body.delivery_address);
    let member_id = wrong.optional("/member_id", body.member_id);
    let is_full = request_type == Some(SubjectRequestType::FullExport);
    let data_categories = match body.data_categories {
        Field::Missing | Field::Null if is_full => Some(DataCategory::ALL.to_vec()),
        Field::Missing | Field::Null => {
            wrong.note("/data_categories", &RuleBreak::new("DXR-02", "is required"))
        }
        given => categories(given, is_full, wrong),
    };
    let (delivery_method, delivery_address) = (delivery_method?, delivery_address?);
    if delivery_method != DeliveryMethod::Email {
        if delivery_address.is_some() {
            let says = RuleBreak::new("DXR-08", "is for delivery by EMAIL only");
            return wrong.note("/delivery_address", &says);
        }
        if member_id.flatten().is_some() {
            let says = RuleBreak::new("DXR-08", "must be EMAIL where an admin asks for a member");
            return wrong.note("/delivery_method", &says);
        }
    }
    Some(Subject {
        member_id: member_id?,
        request_type: request_type?,
        data_categories: data_categories?,
        format: format?,
        delivery_method,
        delivery_address,
    })
}

fn categories(
    fields: Field<List<DataCategory>>,
    is_full: bool,
    wrong: &mut WrongFields,
) -> Option<Vec<DataCategory>> {
    let mut named = wrong.list("/data_categories", fields)?;
    named.sort_unstable();
    named.dedup();
    let says = match (is_full, named.is_empty(), named == DataCategory::ALL) {
        (true, true, _) => return Some(DataCategory::ALL.to_vec()),
        (true, false, false) => "must be absent: a FULL_EXPORT has them all",
        (false, true, _) => "must name one category or more",
        _ => return Some(named),
    };
    wrong.note("/data_categories", &RuleBreak::new("DXR-02", says))
}

fn format<T: FromStr<Err = RuleBreak>>(
    field: Field<FormatWord>,
    wrong: &mut WrongFields,
) -> Option<T> {
    match wrong.required("/format", field)?.0.parse() {
        Ok(format) => Some(format),
        Err(broken) => wrong.note("/format", &broken),
    }
}
