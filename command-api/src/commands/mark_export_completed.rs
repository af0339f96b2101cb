//! `mark-export-completed`: the file is there, whole (O11).

use agora_domain::{
    exports::{
        export_job::{CompleteExport, ExportJob, ExportJobCommand},
        export_values::{
            ExportFile, FileMetadata, FileName, FilePath, FileSize, HappenedAt, SchemaVersion,
            Sha256Hex,
        },
    },
    ids::ExportJobId,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    execute::Caller,
    exports,
    fields::{Field, Flag, Object, Whole, WrongFields},
    refusal::{CommandError, no_such},
};

/// Marks an export as completed.
pub struct MarkExportCompleted {
    export_id: ExportJobId,
    file: ExportFile,
    metadata: FileMetadata,
    completed_at: Option<HappenedAt>,
}

impl MarkExportCompleted {
    /// As the process that makes files sends it.
    pub fn new(export_id: ExportJobId, file: ExportFile, metadata: FileMetadata) -> Self {
        Self { export_id, file, metadata, completed_at: None }
    }
}

/// The body of `mark-export-completed`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MarkExportCompletedBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    export_id: Field<ExportJobId>,
    /// As whoever downloads it sees it.
    #[schema(value_type = String, required, min_length = 1, max_length = 128,
             pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    #[serde(default)]
    file_name: Field<FileName>,
    /// `exports/{kind}/{export_id}/{file_name}`.
    #[schema(value_type = String, required, min_length = 1, max_length = 512)]
    #[serde(default)]
    file_path: Field<FilePath>,
    #[schema(value_type = i64, required, minimum = 1, maximum = 1_125_899_906_842_624_i64)]
    #[serde(default)]
    file_size_bytes: Field<Whole<FileSize>>,
    /// Of the file, in lower-case hexadecimal.
    #[schema(value_type = String, required, min_length = 64, max_length = 64,
             pattern = "^[0-9a-f]+$")]
    #[serde(default)]
    checksum_sha256: Field<Sha256Hex>,
    #[schema(value_type = Option<MetadataBody>)]
    #[serde(default)]
    metadata: Field<Object<MetadataBody>>,
    /// Not before it was begun, and not in the future. Now, where it is absent.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default)]
    completed_at: Field<HappenedAt>,
}

/// What is told of a file beside that.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MetadataBody {
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_992_i64)]
    #[serde(default)]
    row_count: Field<Whole<u64>>,
    #[schema(value_type = Option<u32>, minimum = 0, maximum = 4_294_967_295_i64)]
    #[serde(default)]
    page_count: Field<Whole<u32>>,
    /// Of the form of its data.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 32,
             pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    #[serde(default)]
    schema_version: Field<SchemaVersion>,
    /// How much of the log it reflects.
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_992_i64)]
    #[serde(default)]
    log_position: Field<Whole<u64>>,
    /// SHA-256 of the data that it shows.
    #[schema(value_type = Option<String>, min_length = 64, max_length = 64,
             pattern = "^[0-9a-f]+$")]
    #[serde(default)]
    data_sha256: Field<Sha256Hex>,
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    is_draft: Field<Flag>,
}

impl Command for MarkExportCompleted {
    const NAME: &'static str = "mark-export-completed";
    const SUMMARY: &'static str = "Say that a file is made, with all that is told of it, as a \
                                   service account";
    const RULES: &'static [&'static str] = &[
        "OPR-11", "BUF-03", "BUF-04", "BUF-07", "DXR-03", "DEL-04", "REL-09", "ROL-01", "REL-10",
        "ESX-03", "ESX-04",
    ];
    type Body = MarkExportCompletedBody;

    fn parse(body: MarkExportCompletedBody, wrong: &mut WrongFields) -> Option<Self> {
        let export_id = wrong.required("/export_id", body.export_id);
        let file_name = wrong.required_by("BUF-04", "/file_name", body.file_name);
        let file_path = wrong.required_by("BUF-04", "/file_path", body.file_path);
        let size = wrong.required_by("BUF-04", "/file_size_bytes", body.file_size_bytes);
        let checksum = wrong.required_by("BUF-04", "/checksum_sha256", body.checksum_sha256);
        let metadata = metadata(body.metadata, wrong);
        let completed_at = wrong.optional("/completed_at", body.completed_at);
        let file = ExportFile {
            file_name: file_name?,
            file_path: file_path?,
            file_size_bytes: size?.0,
            checksum_sha256: checksum?,
        };
        let (metadata, completed_at) = (metadata?, completed_at?);
        Some(Self { export_id: export_id?, file, metadata, completed_at })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(exports::queue(self.export_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let loaded = exports::load(decision, self.export_id).await?;
        exports::require_system(decision)?;
        let job = loaded.state.require().map_err(|_| no_such("export"))?;
        let complete = CompleteExport {
            file: self.file.clone(),
            metadata: self.metadata.clone(),
            completed_at: self.completed_at.map(|at| at.0),
            now: decision.now,
        };
        decision.decide_on_target(&loaded, ExportJobCommand::Complete(complete)).await?;
        exports::close_request(decision, job, false).await?;
        Ok(Done::of::<ExportJob>(self.export_id))
    }

    fn example() -> Value {
        let id = "01970000-0000-7000-8000-000000000001";
        json!({
            "export_id": id,
            "file_name": "bufdir-report-2025-q1.pdf",
            "file_path": format!("exports/statutory_report/{id}/bufdir-report-2025-q1.pdf"),
            "file_size_bytes": 48_213,
            "checksum_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "metadata": { "row_count": 42, "page_count": 3, "schema_version": "bufdir-2025.1" },
        })
    }
}

fn metadata(body: Field<Object<MetadataBody>>, wrong: &mut WrongFields) -> Option<FileMetadata> {
    let body = wrong.optional("/metadata", body)?.map(|Object(body)| body).unwrap_or_default();
    let row_count = wrong.optional("/metadata/row_count", body.row_count);
    let page_count = wrong.optional("/metadata/page_count", body.page_count);
    let schema_version = wrong.optional("/metadata/schema_version", body.schema_version);
    let log_position = wrong.optional("/metadata/log_position", body.log_position);
    let data_sha256 = wrong.optional("/metadata/data_sha256", body.data_sha256);
    let is_draft = wrong.optional("/metadata/is_draft", body.is_draft);
    Some(FileMetadata {
        row_count: row_count?.map(|Whole(count)| count),
        page_count: page_count?.map(|Whole(count)| count),
        schema_version: schema_version?,
        log_position: log_position?.map(|Whole(position)| position),
        data_sha256: data_sha256?,
        is_draft: is_draft?.map(|Flag(is_draft)| is_draft),
    })
}
