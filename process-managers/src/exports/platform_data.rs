//! The platform's public data (E20): what anybody may read, without names of people. Whatever is deleted,
//! or lies in what is, is not in it, nor is what somebody made whose content is [withheld](super::withheld);
//! what was erased is null.

use agora_domain::exports::export_values::PlatformExportType;
use agora_event_store::{Opened, Opener, seal::SealedField};
use futures::TryStreamExt;
use sqlx::PgConnection;

use super::{
    document::{
        Cell, Column,
        ColumnKind::{Integer, Text, Time},
        Table,
    },
    rows::cells,
    stream::{GROUP, Rows},
    trouble::Trouble,
    withheld::Withheld,
};

/// What is exported by one statement.
pub struct PlatformExport {
    pub name: &'static str,
    pub title: &'static str,
    /// The read tables that the statement names.
    pub tables: &'static [&'static str],
    pub columns: &'static [Column],
    /// The column that says whose a row is.
    pub whose: &'static str,
    pub statement: &'static str,
    /// The aggregate of its rows, and the columns that are sealed.
    pub sealed: Option<(&'static str, &'static [&'static str])>,
}

pub const fn of(export_type: PlatformExportType) -> &'static PlatformExport {
    match export_type {
        PlatformExportType::Communities => &COMMUNITIES,
        PlatformExportType::Posts => &POSTS,
        PlatformExportType::Comments => &COMMENTS,
    }
}

static COMMUNITIES: PlatformExport = PlatformExport {
    name: "communities",
    title: "Communities",
    tables: &["communities"],
    columns: &[
        Column::new("id", "Id", Text, 4),
        Column::new("name", "Name", Text, 3),
        Column::new("description", "Description", Text, 5),
        Column::new("category_id", "Category", Text, 4),
        Column::new("owner_id", "Owner", Text, 4),
        Column::new("logo_uri", "Logo", Text, 3),
        Column::new("banner_uri", "Banner", Text, 3),
        Column::new("member_count", "Members", Integer, 2),
        Column::new("created_at", "Created", Time, 3),
        Column::new("updated_at", "Updated", Time, 3),
    ],
    whose: "owner_id",
    statement: "SELECT c.id, c.name, c.description, c.category_id, c.owner_id,
                       c.logo_uri, c.banner_uri, c.member_count, c.created_at, c.updated_at
                FROM read.communities c WHERE c.deleted_at IS NULL ORDER BY c.id",
    sealed: None,
};

static POSTS: PlatformExport = PlatformExport {
    name: "posts",
    title: "Posts",
    tables: &["communities", "posts", "post_scores", "post_comment_counts"],
    columns: &[
        Column::new("id", "Id", Text, 4),
        Column::new("community_id", "Community", Text, 4),
        Column::new("author_kind", "Author is", Text, 2),
        Column::new("author_id", "Author", Text, 4),
        Column::new("title", "Title", Text, 5),
        Column::new("body", "Body", Text, 8),
        Column::new("score", "Score", Integer, 2),
        Column::new("upvotes", "Upvotes", Integer, 2),
        Column::new("downvotes", "Downvotes", Integer, 2),
        Column::new("comment_count", "Comments", Integer, 2),
        Column::new("created_at", "Created", Time, 3),
        Column::new("updated_at", "Updated", Time, 3),
    ],
    whose: "author_id",
    statement: "SELECT p.id, p.community_platform_community_id AS community_id,
                       CASE WHEN p.author_adminuser_id IS NULL THEN 'member' ELSE 'admin' END
                           AS author_kind,
                       coalesce(p.author_memberuser_id, p.author_adminuser_id) AS author_id,
                       p.title, p.body, coalesce(s.score, 0) AS score,
                       coalesce(s.upvotes, 0) AS upvotes, coalesce(s.downvotes, 0) AS downvotes,
                       coalesce(n.comments, 0) AS comment_count, p.created_at, p.updated_at
                FROM read.posts p
                JOIN read.communities c
                    ON c.id = p.community_platform_community_id AND c.deleted_at IS NULL
                LEFT JOIN read.post_scores s ON s.post_id = p.id
                LEFT JOIN read.post_comment_counts n ON n.post_id = p.id
                WHERE p.deleted_at IS NULL ORDER BY p.id",
    sealed: Some(("post", &["title", "body"])),
};

static COMMENTS: PlatformExport = PlatformExport {
    name: "comments",
    title: "Comments",
    tables: &["communities", "posts", "comments", "comment_scores"],
    columns: &[
        Column::new("id", "Id", Text, 4),
        Column::new("post_id", "Post", Text, 4),
        Column::new("parent_comment_id", "Answers", Text, 4),
        Column::new("depth", "Depth", Integer, 1),
        Column::new("author_kind", "Author is", Text, 2),
        Column::new("author_id", "Author", Text, 4),
        Column::new("body", "Body", Text, 8),
        Column::new("score", "Score", Integer, 2),
        Column::new("upvotes", "Upvotes", Integer, 2),
        Column::new("downvotes", "Downvotes", Integer, 2),
        Column::new("created_at", "Created", Time, 3),
        Column::new("updated_at", "Updated", Time, 3),
    ],
    whose: "author_id",
    statement: "SELECT m.id, m.post_id, m.parent_comment_id, m.depth,
                       CASE WHEN m.author_adminuser_id IS NOT NULL THEN 'admin'
                            WHEN m.author_guestuser_id IS NOT NULL THEN 'guest' ELSE 'member' END
                           AS author_kind,
                       coalesce(m.author_memberuser_id, m.author_adminuser_id,
                                m.author_guestuser_id) AS author_id,
                       m.body, coalesce(s.score, 0) AS score, coalesce(s.upvotes, 0) AS upvotes,
                       coalesce(s.downvotes, 0) AS downvotes, m.created_at, m.updated_at
                FROM read.comments m
                JOIN read.posts p ON p.id = m.post_id AND p.deleted_at IS NULL
                JOIN read.communities c
                    ON c.id = p.community_platform_community_id AND c.deleted_at IS NULL
                LEFT JOIN read.comment_scores s ON s.comment_id = m.id
                WHERE m.deleted_at IS NULL ORDER BY m.id",
    sealed: Some(("comment", &["body"])),
};

impl PlatformExport {
    /// Gives every row but those of these people, in the order of their ids, which is that of their
    /// making.
    pub async fn give(
        &self,
        connection: &mut PgConnection,
        opener: &Opener,
        withheld: &Withheld,
        rows: &mut Rows,
    ) -> Result<(), Trouble> {
        let (name, title) = (self.name.to_owned(), self.title.to_owned());
        rows.table(Table { name, title, columns: self.columns.to_vec() }).await?;
        let whose = self.columns.iter().position(|column| column.name == self.whose);
        let mut stream = sqlx::query(self.statement).fetch(connection);
        let mut group = Vec::with_capacity(GROUP);
        while let Some(row) = stream.try_next().await? {
            let cells = cells(&row, self.columns.len())?;
            match whose.map(|column| &cells[column]) {
                Some(Cell::Id(id)) if withheld.is_of(*id) => continue,
                Some(Cell::Id(_) | Cell::Null) => {}
                // Whose it is cannot be seen, so nobody may see it.
                _ => return Err(sqlx::Error::ColumnNotFound(self.whose.to_owned()).into()),
            }
            group.push(cells);
            if group.len() >= GROUP {
                self.hand_over(opener, &mut group, rows).await?;
            }
        }
        self.hand_over(opener, &mut group, rows).await
    }

    async fn hand_over(
        &self,
        opener: &Opener,
        group: &mut Vec<Vec<Cell>>,
        rows: &mut Rows,
    ) -> Result<(), Trouble> {
        if let Some((aggregate_type, fields)) = self.sealed {
            self.open(opener, aggregate_type, fields, group).await?;
        }
        for cells in group.drain(..) {
            rows.row(cells).await?;
        }
        Ok(())
    }

    /// Opens what is sealed, with one question to the vault for the whole group.
    async fn open(
        &self,
        opener: &Opener,
        aggregate_type: &'static str,
        fields: &[&'static str],
        group: &mut [Vec<Cell>],
    ) -> Result<(), Trouble> {
        let places = |field: &str| self.columns.iter().position(|column| column.name == field);
        let columns: Vec<(usize, &'static str)> =
            fields.iter().filter_map(|field| Some((places(field)?, *field))).collect();
        let ids: Vec<String> = group.iter().map(|cells| cells[0].as_text().into_owned()).collect();
        let mut sealed = Vec::with_capacity(group.len() * columns.len());
        for (cells, aggregate_id) in group.iter().zip(&ids) {
            for (column, field) in &columns {
                if let Cell::Text(text) = &cells[*column] {
                    sealed.push(SealedField { aggregate_type, aggregate_id, field, sealed: text });
                }
            }
        }
        let mut opened = opener.open_many_now(&sealed).await?.into_iter();
        for cells in group {
            for (column, _) in &columns {
                if matches!(cells[*column], Cell::Text(_)) {
                    let text = opened.next().and_then(Opened::into_text);
                    cells[*column] = Cell::optional(text);
                }
            }
        }
        Ok(())
    }
}
