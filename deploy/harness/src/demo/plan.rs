//! Who votes how on what: in proportion to what the rows record, the same for the same input.

use super::Posted;
use crate::{ballot::Says, random::Random};

/// One vote: indexes of the member and of the post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ballot {
    pub(super) voter: u32,
    pub(super) post: u32,
    pub(super) says: Says,
}

/// The votes of all posts, mixed. A member votes at most once on a post (PVT-02), never on an own
/// one (PVT-07).
pub(super) fn ballots(posts: &[Posted], members: usize, votes: u64) -> Vec<Ballot> {
    let recorded: u64 = posts.iter().map(|post| post.ups + post.downs).sum();
    let scale = (votes as f64 / recorded.max(1) as f64).min(1.0);
    let mut random = Random(0x6167_6f72_6121);
    let mut order: Vec<u32> = (0..members as u32).collect();
    let mut ballots = Vec::new();
    for (index, post) in posts.iter().enumerate() {
        let (ups, downs) = scaled(post, scale, members - 1);
        let mut next = 0;
        for says in std::iter::repeat_n(Says::Up, ups).chain(std::iter::repeat_n(Says::Down, downs))
        {
            if draw(&mut order, &mut next, &mut random) as usize == post.author {
                draw(&mut order, &mut next, &mut random);
            }
            let voter = order[next - 1];
            ballots.push(Ballot { voter, post: index as u32, says });
        }
    }
    for last in (1..ballots.len()).rev() {
        ballots.swap(last, random.below(last + 1));
    }
    ballots
}

/// One step of a shuffle: the next member whom this post has not had.
fn draw(order: &mut [u32], next: &mut usize, random: &mut Random) -> u32 {
    let chosen = *next + random.below(order.len() - *next);
    order.swap(*next, chosen);
    *next += 1;
    order[*next - 1]
}

/// Votes up and down, at most one a member.
fn scaled(post: &Posted, scale: f64, voters: usize) -> (usize, usize) {
    let wanted = (post.ups + post.downs) as f64 * scale;
    let fitting = scale * (voters as f64 / wanted).min(1.0);
    let ups = ((post.ups as f64 * fitting).round() as usize).min(voters);
    let downs = ((post.downs as f64 * fitting).round() as usize).min(voters - ups);
    (ups, downs)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use uuid::Uuid;

    use super::*;

    #[test]
    fn pvt_02_pvt_07_each_member_votes_once_on_a_post_and_never_on_an_own_one() {
        let post = |number: u64| Posted {
            id: Uuid::from_u128(u128::from(number)),
            position: number,
            community: 0,
            author: number as usize % 20,
            ups: number * 37,
            downs: number * 11,
            comments: 0,
        };
        let posts: Vec<_> = (0..60).map(post).collect();
        let ballots = ballots(&posts, 20, 700);
        assert_eq!(ballots, super::ballots(&posts, 20, 700), "the same input gives the same votes");
        let pairs: HashSet<_> = ballots.iter().map(|ballot| (ballot.voter, ballot.post)).collect();
        assert_eq!(pairs.len(), ballots.len());
        assert!(ballots.iter().all(|it| it.voter as usize != posts[it.post as usize].author));
        assert!((600..=750).contains(&ballots.len()), "{}", ballots.len());
        let voters: HashSet<_> = ballots.iter().map(|ballot| ballot.voter).collect();
        assert_eq!(voters.len(), 20);
        let ups = ballots.iter().filter(|ballot| ballot.says == Says::Up).count();
        let share = ups as f64 / ballots.len() as f64;
        assert!((share - 37.0 / 48.0).abs() < 0.02, "{share}");
    }
}
