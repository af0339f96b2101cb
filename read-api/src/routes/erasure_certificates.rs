//! Certificates of erasures (DDR-17): signed statements without personal data, and the public keys by
//! which anybody can check them.

use agora_domain::ids::DeletionId;
use axum::{extract::State, response::Response};
use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    app::Shared,
    error::ReadError,
    freshness::fresh,
    request::Read,
    rows::{Instant, with_position},
};

/// A certificate. It is checked over exactly the bytes of `statement`.
#[derive(Serialize, ToSchema, FromRow)]
pub struct ErasureCertificate {
    deletion_id: Uuid,
    /// JSON: what was erased, the ids of the destroyed keys, the stores, what stays and by which
    /// exception, and where the log says so.
    statement: String,
    /// Ed25519, in hexadecimal: to be compared with /v1/erasure-certificate-keys.
    public_key: String,
    /// Of the statement's bytes, in base64.
    signature: String,
    issued_at: Instant,
}

/// A key by which certificates are signed.
#[derive(Serialize, ToSchema, FromRow)]
pub struct CertificateKey {
    /// Ed25519, in hexadecimal.
    public_key: String,
    /// Of its first certificate.
    first_used_at: Instant,
    /// Of its last.
    last_used_at: Instant,
}

/// Every key.
#[derive(Serialize, ToSchema)]
pub struct CertificateKeys {
    algorithm: &'static str,
    keys: Vec<CertificateKey>,
}

/// Shows the certificate of an erasure, by the request that it carried out.
#[utoipa::path(get, path = "/v1/erasure-certificates/{id}", tag = "Erasure",
    params(("id" = Uuid, Path, description = "The request's id")),
    responses((status = 200, description = "The certificate", body = ErasureCertificate),
              (status = 304), (status = 404)))]
pub async fn show(State(app): State<Shared>, read: Read) -> Result<Response, ReadError> {
    let deletion_id: DeletionId = read.path.parse("id")?;
    let statement = "SELECT p.*, x.*
         FROM (SELECT coalesce(read.served_position('data_deletion_requests'), 0) OFFSET 0) p
         LEFT JOIN LATERAL (
             SELECT deletion_id, certificate_statement AS statement,
                    certificate_public_key AS public_key, certificate_signature AS signature,
                    completed_at AS issued_at
             FROM read.data_deletion_requests
             WHERE deletion_id = $1 AND certificate_statement IS NOT NULL
         ) x ON true";
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let query = sqlx::query(statement).bind(deletion_id.0);
        with_position::<ErasureCertificate>(&query.fetch_all(&app.reads).await?)
    })
    .await?;
    match rows.first() {
        Some(certificate) => Ok(read.object(position, certificate)),
        None => Err(ReadError::not_found(position, "There is no such certificate.")),
    }
}

/// Lists the public keys by which certificates are signed.
#[utoipa::path(get, path = "/v1/erasure-certificate-keys", tag = "Erasure",
    responses((status = 200, description = "The keys", body = CertificateKeys), (status = 304)))]
pub async fn keys(State(app): State<Shared>, read: Read) -> Result<Response, ReadError> {
    // A new key comes once in years: from one to the next by the index.
    let statement = "WITH RECURSIVE key AS (
             SELECT min(certificate_public_key) AS public_key FROM read.data_deletion_requests
             UNION ALL
             SELECT (SELECT min(certificate_public_key) FROM read.data_deletion_requests r
                     WHERE r.certificate_public_key > key.public_key)
             FROM key WHERE key.public_key IS NOT NULL)
         SELECT p.*, x.*
         FROM (SELECT coalesce(read.served_position('data_deletion_requests'), 0) OFFSET 0) p
         LEFT JOIN LATERAL (
             SELECT key.public_key,
                    (SELECT min(completed_at) FROM read.data_deletion_requests r
                     WHERE r.certificate_public_key = key.public_key) AS first_used_at,
                    (SELECT max(completed_at) FROM read.data_deletion_requests r
                     WHERE r.certificate_public_key = key.public_key) AS last_used_at
             FROM key WHERE key.public_key IS NOT NULL
         ) x ON true ORDER BY x.first_used_at";
    let (position, keys) = fresh(&app.projected, read.freshness, || async {
        with_position::<CertificateKey>(&sqlx::query(statement).fetch_all(&app.reads).await?)
    })
    .await?;
    Ok(read.object(position, &CertificateKeys { algorithm: "Ed25519", keys }))
}
