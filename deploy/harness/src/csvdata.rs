//! The demo's input: a folder of CSV files, one community a file.

use std::path::{Path, PathBuf};

use serde::Deserialize;

#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    #[error("{0}: {1}")]
    Folder(PathBuf, std::io::Error),
    #[error("{0}: {1}")]
    File(PathBuf, csv::Error),
    #[error("{0}: there is no CSV file in it")]
    Empty(PathBuf),
}

/// A post as it was recorded elsewhere. Other columns are not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Row {
    #[serde(default)]
    pub id: String,
    #[serde(default)]
    pub title: String,
    #[serde(default)]
    pub selftext: String,
    #[serde(default)]
    pub url: String,
    #[serde(default)]
    pub ups: Option<u64>,
    #[serde(default)]
    pub downs: Option<u64>,
    #[serde(default)]
    pub num_comments: Option<u64>,
}

impl Row {
    /// The text; a link post's text is its address.
    pub fn body(&self) -> &str {
        if self.selftext.trim().is_empty() { &self.url } else { &self.selftext }
    }

    pub fn ups(&self) -> u64 {
        self.ups.unwrap_or(0)
    }

    pub fn downs(&self) -> u64 {
        self.downs.unwrap_or(0)
    }

    pub fn comments(&self) -> u64 {
        self.num_comments.unwrap_or(0)
    }
}

/// A file: its name without the ending, and its rows.
#[derive(Clone, Debug)]
pub struct File {
    pub name: String,
    pub rows: Vec<Row>,
}

/// Reads every CSV file of a folder, by name.
pub fn read_folder(folder: &Path) -> Result<Vec<File>, CsvError> {
    let failed = |error| CsvError::Folder(folder.to_owned(), error);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")) {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(CsvError::Empty(folder.to_owned()));
    }
    paths.sort();
    paths.into_iter().map(read_file).collect()
}

fn read_file(path: PathBuf) -> Result<File, CsvError> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let read = || csv::Reader::from_path(&path)?.deserialize().collect::<Result<Vec<Row>, _>>();
    let rows = read().map_err(|error| CsvError::File(path.clone(), error))?;
    Ok(File { name, rows })
}

/// A name that COM-01 allows (5 to 32 characters of `A-Z a-z 0-9 _ -`), short enough for a suffix:
/// other characters become `-`, and a name that is too short gets `r-` before it.
pub fn community_name(stem: &str) -> String {
    let allowed = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
    let mut name: String =
        stem.chars().map(|character| if allowed(character) { character } else { '-' }).collect();
    name.truncate(26);
    if name.len() < 5 {
        name.insert_str(0, "r-");
    }
    while name.len() < 5 {
        name.push('-');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn com_01_every_file_name_becomes_a_name_that_is_allowed() {
        assert_eq!(community_name("AskHistorians"), "AskHistorians");
        assert_eq!(community_name("math"), "r-math");
        assert_eq!(community_name("C"), "r-C--");
        assert_eq!(community_name("bread & baking"), "bread---baking");
        for stem in ["", "é", "a very long name of a file that goes on and on"] {
            assert!((5..=26).contains(&community_name(stem).len()));
        }
    }

    #[test]
    fn a_link_posts_body_is_its_address() {
        let link = Row { url: "https://example.org/".to_owned(), ..Row::default() };
        assert_eq!(link.body(), "https://example.org/");
        let text = Row { selftext: "words".to_owned(), ..link };
        assert_eq!(text.body(), "words");
    }
}
