//! The file of an export. Who may have it, and whether it is there, the log is asked: read tables lag.

use agora_domain::{
    exports::{
        export_job::{ExportContent, ExportJob, ExportStatus, Job},
        export_values::ExportFile,
    },
    ids::ExportJobId,
};
use agora_event_store::{
    read,
    security::{Outcome, SecurityRecord},
};
use agora_service::{
    clock,
    problem::{Kind, Problem},
};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use cqrs_es::Aggregate;
use sha2::{Digest, Sha256};
use utoipa::IntoParams;

use crate::{
    access::Principal,
    app::Shared,
    downloads::{
        range::{self, Part},
        stored_file::{FileError, StoredFile},
    },
    error::ReadError,
    freshness::fresh,
    params::{FromParams, Params},
    replay,
    reply::{at_position, matches},
    request::Read,
};

const ROUTE: &str = "/v1/exports/{id}/download";
/// The header form of `token`: it stands in no log of a proxy.
const TOKEN: HeaderName = HeaderName::from_static("agora-export-token");
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
/// Its predecessor (RFC 3230), which some clients still look for.
const DIGEST: HeaderName = HeaderName::from_static("digest");

/// What lets a person have its own data.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Token {
    /// Of one's own data: the token that the request for it was answered with, or that its mail
    /// holds. Better sent as the header `Agora-Export-Token`.
    #[param(max_length = 128)]
    token: Option<String>,
}

impl FromParams for Token {
    fn from_params(params: &mut Params) -> Self {
        let token = |text: &str| match text.len() {
            1..=128 => Ok(text.to_owned()),
            _ => Err("must have 1 to 128 characters".into()),
        };
        Self { token: params.value("token", token) }
    }
}

/// Hands over the file of an export.
///
/// Before its first byte the stored file is compared with the checksum that the log has, and the
/// download is counted. A part (`Range`) counts as a download of its own; HEAD and 304 do not count.
/// `ETag` is the file's SHA-256, `Repr-Digest` the same as RFC 9530 writes it. Statutory reports are
/// handed to members of the organization that the session carries, one's own data to oneself with
/// its token, other data to whoever asked for it.
#[utoipa::path(get, path = "/v1/exports/{id}/download", tag = "Exports",
    params(("id" = uuid::Uuid, Path, description = "The export"), Token,
           ("Range" = Option<String>, Header, description = "One range: `bytes=0-1023`"),
           ("If-Range" = Option<String>, Header, description = "The range only of this entity tag"),
           ("Agora-Export-Token" = Option<String>, Header, description = "As `token`")),
    responses((status = 200, description = "The file", body = Vec<u8>,
               content_type = "application/octet-stream"),
              (status = 206, description = "A part of the file", body = Vec<u8>,
               content_type = "application/octet-stream"),
              (status = 304),
              (status = 404),
              (status = 409, description = "The export is not completed (BUF-18)"),
              (status = 410, description = "The export has expired (BUF-18, DXR-07)"),
              (status = 416, description = "There are no such bytes")))]
pub async fn show(
    State(app): State<Shared>,
    method: Method,
    headers: HeaderMap,
    read: Read<Token>,
) -> Result<Response, ReadError> {
    let job_id: ExportJobId = read.path.parse("id")?;
    let me = read.principal()?;
    let (position, job) = fresh(&app.projected, read.freshness, || async {
        let mut connection = app.primary.acquire().await?;
        let events = read::stream(&mut connection, ExportJob::TYPE, &job_id.to_string()).await?;
        let head = read::head(&mut connection).await?;
        drop(connection);
        let export: ExportJob = replay::fold(&app.opener, &events).await?;
        Ok((head, export.get().cloned()))
    })
    .await?;
    let job = job.filter(|job| may_have(job, me));
    let job = job.ok_or_else(|| ReadError::not_found(position, "There is no such export."))?;
    let file = available(&job)?;
    let token = token(&read, &headers).filter(|_| job.content.subject_data().is_some());
    check_token(&job, me, token)?;

    let tag = format!("\"{}\"", file.checksum_sha256);
    if read.if_none_match.as_ref().is_some_and(|tags| matches(tags, &tag)) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        describe(response.headers_mut(), file, &tag);
        return Ok(at_position(response, position));
    }
    let size = file.file_size_bytes.get();
    let part = range::part(&headers, size, &tag);
    if part == Part::Nothing {
        let mut response = Problem::of(Kind::RangeNotSatisfiable).into_response();
        let whole = HeaderValue::try_from(format!("bytes */{size}")).expect("digits are a header");
        response.headers_mut().insert(header::CONTENT_RANGE, whole);
        return Ok(at_position(response, position));
    }
    let stored = match StoredFile::verified(&app.downloads.objects, file).await {
        Ok(stored) => stored,
        Err(error) => return Err(failed(&app, &read, &job, &error).await),
    };
    let (position, body) = if method == Method::HEAD {
        (position, Body::empty())
    } else {
        let authorization = headers.get(header::AUTHORIZATION).ok_or_else(Problem::internal)?;
        let counter = &app.downloads.counter;
        let position = counter.count(job_id, authorization, token, read.client_address()).await?;
        match stored.body(part).await {
            Ok(body) => (position, body),
            Err(error) => return Err(failed(&app, &read, &job, &error).await),
        }
    };
    let mut response = body.into_response();
    describe(response.headers_mut(), file, &tag);
    let length = match part {
        Part::Bytes { first, last } => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let range = format!("bytes {first}-{last}/{size}");
            let range = HeaderValue::try_from(range).expect("digits are a header");
            response.headers_mut().insert(header::CONTENT_RANGE, range);
            last - first + 1
        }
        Part::Whole | Part::Nothing => size,
    };
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Ok(at_position(response, position))
}

/// Whose export is whose: of others, not even that there is one is told (BUF-15).
fn may_have(job: &Job, me: &Principal) -> bool {
    // What is hidden is its entry in a list, not the answer that a person has a right to (DEL-05).
    if job.is_archived {
        return false;
    }
    match &job.content {
        ExportContent::StatutoryReport(report) => me
            .organization
            .as_ref()
            .is_some_and(|tenant| tenant.organization_id == report.organization_id),
        ExportContent::SubjectData(data) => data.subject == me.actor,
        ExportContent::PlatformData { .. } => job.requested_by == Some(me.actor),
    }
}

/// The file, if it may be had now.
fn available(job: &Job) -> Result<&ExportFile, Problem> {
    if job.status != ExportStatus::Completed {
        return Err(
            Problem::conflict("The export is not completed: there is no file.").with_rule("BUF-18")
        );
    }
    let rule = if job.content.subject_data().is_some() { "DXR-07" } else { "BUF-18" };
    job.available_file(clock::now())
        .ok_or_else(|| Problem::gone("The export has expired: its file is gone.").with_rule(rule))
}

fn token<'r>(read: &'r Read<Token>, headers: &'r HeaderMap) -> Option<&'r str> {
    let header = headers.get(TOKEN).and_then(|token| token.to_str().ok());
    header.or(read.query.token.as_deref())
}

/// One's own data is handed over to a session of one's own that also knows the token (DXR-06).
fn check_token(job: &Job, me: &Principal, token: Option<&str>) -> Result<(), Problem> {
    let Some(data) = job.content.subject_data() else { return Ok(()) };
    let hash = token.map(|token| hex::encode(Sha256::digest(token.as_bytes())));
    let stored = data.verification_token_sha256.get();
    let is_it = hash.zip(stored).is_some_and(|(hash, stored)| same(&hash, stored));
    if is_it && me.session_id.is_some() {
        return Ok(());
    }
    Err(Problem::forbidden(
        "This needs a session, and the token of the request as `Agora-Export-Token` or `?token=`: it was in the \
         reply to the request, or is in the mail that tells of the file.",
    )
    .with_rule("DXR-06"))
}

/// In constant time.
fn same(one: &str, other: &str) -> bool {
    let pairs = one.bytes().zip(other.bytes());
    let differences = pairs.fold(0, |found, (a, b)| std::hint::black_box(found | (a ^ b)));
    one.len() == other.len() && differences == 0
}

/// What is said of the file, whatever is sent of it.
fn describe(headers: &mut HeaderMap, file: &ExportFile, tag: &str) {
    let mut set = |name: HeaderName, value: String| {
        let value = HeaderValue::try_from(value).expect("names and digests are plain ASCII");
        headers.insert(name, value);
    };
    let digest = hex::decode(file.checksum_sha256.as_str()).unwrap_or_default();
    let digest = STANDARD.encode(digest);
    set(header::ETAG, tag.to_owned());
    set(REPR_DIGEST, format!("sha-256=:{digest}:"));
    set(DIGEST, format!("SHA-256={digest}"));
    // Names of files hold letters, digits, `_`, `.` and `-` alone.
    set(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", file.file_name));
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_TYPE, media_type(file.file_name.as_str()));
    set(header::ACCEPT_RANGES, "bytes");
    set(header::CACHE_CONTROL, "no-store");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::VARY, "authorization, agora-export-token");
}

fn media_type(file_name: &str) -> &'static str {
    match file_name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "json" => "application/json",
        "csv" => "text/csv; charset=utf-8; header=present",
        "xml" => "application/xml",
        "pdf" => "application/pdf",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "zip" => "application/zip",
        _ => "application/octet-stream",
    }
}

/// A file that is not the one that was made is an incident (BUF-19).
async fn failed(app: &Shared, read: &Read<Token>, job: &Job, error: &FileError) -> ReadError {
    match error {
        FileError::Tampered => {
            tracing::error!(job_id = %job.job_id, "the file of an export is not the one that was made");
            metrics::counter!("agora_export_files_tampered").increment(1);
            let record = SecurityRecord {
                kind: "export_file_tampered",
                outcome: Outcome::Blocked,
                actor: read.caller.actor(),
                action: ROUTE.to_owned(),
                rule: Some("BUF-19"),
                status: 500,
                client_address: read.client_address().map(|address| address.to_string()),
            };
            app.security.write(record).await;
            let detail = "The stored file is not the one that was made: nothing of it is handed \
                          over. The operators know.";
            Problem::new(Kind::Internal, detail).with_rule("BUF-19").into()
        }
        FileError::Unavailable(cause) => {
            tracing::error!(%cause, "the object store cannot be used");
            Problem::unavailable("The file cannot be read now.").into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dxr_06_tokens_are_compared_whole() {
        assert!(same("abc", "abc"));
        for other in ["", "ab", "abd", "abcd", "ABC"] {
            assert!(!same("abc", other), "{other}");
        }
    }
}
