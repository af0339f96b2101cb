//! Finds the top post of each community again by a word of its title.
#![expect(clippy::print_stdout, reason = "what the demo is for")]

use serde_json::Value;
use url::form_urlencoded::byte_serialize;

use super::{Community, show};
use crate::{
    agora::{AgoraError, Reads},
    scene::Stack,
};

/// Among the top posts of a community, one has such a word.
const TOP: usize = 20;
/// What stands around words in a sentence.
const MARKS: &[char] =
    &['.', ',', ';', ':', '!', '?', '…', '"', '\'', '“', '”', '‘', '’', '(', ')', '[', ']'];

/// Says which posts are not found.
pub(super) async fn search(
    stack: &Stack,
    communities: &[Community],
    position: u64,
) -> Result<Vec<String>, AgoraError> {
    let mut reads = Reads::new(&stack.read_addr);
    let mut failed = Vec::new();
    println!("\nThe top posts, searched for by a word of their titles:");
    for community in communities {
        let name = &community.name;
        let path = format!(
            "/v1/communities/{name}/posts?sort=top&limit={TOP}&min_position={position}&wait_ms=10000"
        );
        let posts = show::items(&reads.json(&path).await?);
        let mut with_word =
            posts.iter().filter_map(|post| Some((post, word(post["title"].as_str()?)?)));
        let Some((post, word)) = with_word.next() else {
            if !posts.is_empty() {
                failed.push(format!("search in {name}: no title has a word to search for"));
            }
            continue;
        };
        match found(&mut reads, name, word, &post["id"], position).await? {
            (place, Some(title)) => println!("    {word:<16} {place:>4}. in {name}: {title}"),
            (matches, None) => failed.push(format!(
                "search in {name}: \"{word}\" finds {matches} posts, and not {}",
                post["id"]
            )),
        }
    }
    Ok(failed)
}

/// At which place a word finds a post in its community, and how the post is shown, its words marked;
/// how many posts it finds where the post is not among them.
async fn found(
    reads: &mut Reads,
    community: &str,
    word: &str,
    id: &Value,
    position: u64,
) -> Result<(usize, Option<String>), AgoraError> {
    let word: String = byte_serialize(word.as_bytes()).collect();
    let (mut matches, mut cursor) = (0, String::new());
    loop {
        let path = format!(
            "/v1/search/posts?q={word}&community={community}&limit=100{cursor}\
             &min_position={position}&wait_ms=10000"
        );
        let page = reads.json(&path).await?;
        for post in show::items(&page) {
            matches += 1;
            if post["id"] == *id {
                return Ok((matches, post["title_html"].as_str().map(str::to_owned)));
            }
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok((matches, None)),
        }
    }
}

/// The longest word of a title that is a word to every parser: letters between spaces or the marks of
/// a sentence, and so no part of an address, a number or a tag.
fn word(title: &str) -> Option<&str> {
    let words = title.split_whitespace().map(|word| word.trim_matches(MARKS));
    let words = words.filter(|word| word.len() >= 4 && word.chars().all(char::is_alphabetic));
    words.max_by_key(|word| word.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_found_by_its_longest_plain_word() {
        assert_eq!(word("A kingfisher in the middle of town"), Some("kingfisher"));
        assert_eq!(word("(Kingfishers!) at https://example.org/kingfisher"), Some("Kingfishers"));
        assert_eq!(word("1234 a-b c/d &nbsp; <strong> path/"), None);
    }
}
