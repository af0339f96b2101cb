//! How `src/identity/common_passwords.txt` is made (CRD-08), and that it is what this makes.
//!
//! Published lists of leaked passwords are mostly a few hundred words with a few dozen endings,
//! walks over the keyboard, and runs of digits. The words here are those that head such lists year
//! after year (and what an attacker of this platform would add); the rest is derived, so that
//! every entry has a reason that can be read. What is shorter than the floor of any configured
//! minimum cannot be chosen anyway and is left out. ASVS 5.0 §6.2.4 asks for 3,000 entries that the
//! length alone does not refuse: with the default minimum of 12 characters there are more.
//!
//! To write the list anew after a change here:
//! `AGORA_WRITE_COMMON_PASSWORDS=1 cargo test -p agora-domain --test common_passwords`

use std::{collections::BTreeSet, fs, path::Path};

use agora_domain::identity::password::PASSWORD_CHARACTERS_MIN_FLOOR;

const WORDS: &str = "
    password passwort passord pass passw0rd secret hemmelig sommer vinter summer winter spring autumn
    welcome velkommen letmein login logon access admin administrator root user guest test tester
    testing default changeme master system server computer internet database manager support service
    agora bufdir norge norway oslo bergen trondheim stavanger sverige danmark london paris berlin
    america england france germany canada australia india mexico brazil russia texas california
    qwerty qwertyuiop asdfgh asdfghjkl zxcvbn zxcvbnm azerty qwertz abc abcd abc123 abcdef abcdefg
    a1b2c3 aaaaaa q1w2e3r4 1q2w3e4r 1qaz2wsx zaq12wsx qazwsx
    iloveyou iloveu loveyou love lovely loveme lover sweetheart baby babygirl babyboy honey angel
    princess prince queen king sunshine flower rainbow butterfly star superstar heaven forever friend
    friends family mother father mommy daddy sister brother beautiful pretty sexy cutie sweety kisses
    monkey dragon tiger lion eagle panther bear wolf shadow spider horse pony puppy kitten kitty
    doggie bulldog dolphin falcon phoenix unicorn turtle rabbit chicken donkey
    football baseball basketball soccer hockey tennis golf golfer cricket rugby cowboys yankees
    lakers steelers packers eagles raiders dallas chelsea arsenal liverpool manchester barcelona
    realmadrid juventus rosenborg brann champion winner player gamer
    superman batman spiderman ironman starwars pokemon naruto minecraft fortnite roblox mario zelda
    warcraft starcraft matrix merlin gandalf hobbit frodo potter harrypotter skywalker jedi yoda
    michael jordan jennifer jessica ashley michelle amanda nicole daniel andrew matthew joshua thomas
    robert charlie william anthony david george richard joseph james john alexander alexandra
    christian christopher patrick steven kevin brandon justin tyler jackson hunter harley hannah
    samantha elizabeth melissa stephanie victoria vanessa rachel rebecca maria martin anders kristian
    magnus henrik ingrid solveig silje marius thor odin
    mustang corvette ferrari porsche mercedes toyota honda yamaha camaro chevy ducati
    cookie chocolate banana orange apple cherry strawberry peanut pepper cheese coffee whiskey
    guitar piano music metallica nirvana slipknot blink182 eminem beatles hello helloworld whatever
    trustno1 freedom peace jesus christ jesuschrist blessed god faith hope dream dreams magic
    microsoft windows google facebook twitter instagram youtube amazon samsung iphone
    nintendo playstation xbox linux ubuntu android
    silver golden diamond purple yellow green black blue red white killer ranger
    soldier warrior ninja pirate cowboy wizard legend thunder lightning storm fire ice snow snowball
    money dollar million rich lucky lucky7 party crazy happy smile smiley cool awesome
    fuckyou fuckme asshole bitch pussy biteme bullshit
    january february march april june july august september october november december
    monday tuesday wednesday thursday friday saturday sunday juni juli mars april mandag fredag
";

const ENDINGS: &[&str] = &[
    "",
    "0",
    "01",
    "007",
    "1",
    "11",
    "111",
    "12",
    "123",
    "1234",
    "12345",
    "123456",
    "1234567",
    "12345678",
    "123456789",
    "1234567890",
    "123123",
    "69",
    "7",
    "77",
    "321",
    "4321",
    "99",
    "666",
    "1!",
    "123!",
    "1234!",
    "!",
    "!!",
    "@123",
    "@1234",
    "abc",
    "2000",
    "2020",
    "2021",
    "2022",
    "2023",
    "2024",
    "2025",
    "2026",
    "2024!",
    "2025!",
    "2026!",
];

/// The endings tried with the words respelt (`p@ssw0rd`).
const ENDINGS_RESPELT: &[&str] = &["", "1", "12", "123", "1234", "12345", "!", "1!", "123!"];

/// Walks over a keyboard (by rows, zigzag, by columns), digits and letters in order.
const WALKS: &[&str] = &[
    "12345678901234567890",
    "09876543210987654321",
    "98765432109876543210",
    "01234567890123456789",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertyuiop1234567890",
    "qwerty12345678901234",
    "asdfghjklqwertyuiop",
    "asdfghjklzxcvbnm123456",
    "zxcvbnmasdfghjklqwertyuiop",
    "poiuytrewqlkjhgfdsamnbvcxz",
    "mnbvcxzlkjhgfdsapoiuytrewq",
    "azertyuiopqsdfghjklm",
    "1q2w3e4r5t6y7u8i9o0p",
    "q1w2e3r4t5y6u7i8o9p0",
    "1qaz2wsx3edc4rfv5tgb6yhn",
    "zaq12wsxcde34rfvbgt5",
    "!qaz2wsx3edc4rfv5tgb",
    "qazwsxedcrfvtgbyhnujmikolp",
    "qweasdzxc123456789",
    "qwe123asd456zxc789",
    "123qweasdzxc456rtyfghvbn",
    "1234qwerasdfzxcv5678",
    "qwerasdfzxcv1234",
    "abcdefghijklmnopqrstuvwxyz",
    "zyxwvutsrqponmlkjihgfedcba",
    "a1b2c3d4e5f6g7h8i9j0",
    "1a2b3c4d5e6f7g8h9i0j",
    "abc123def456ghi789jkl0",
    "!@#$%^&*()_+",
];

/// What people repeat until it is long enough.
const REPEATED: &[&str] = &[
    "12", "21", "69", "01", "10", "13", "99", "123", "321", "111222", "112233", "121", "789",
    "147", "159", "456", "987", "1234", "4321", "12345", "54321", "123456", "654321", "ab", "abc",
    "abcd", "asd", "asdf", "qwe", "qwer", "qwerty", "zxc", "zxcv", "qaz", "wsx", "q1w2", "1q2w",
    "a1", "a1b2", "ha", "la", "lol", "xxx", "pass", "test", "admin", "love",
];

fn made() -> BTreeSet<String> {
    let mut made = BTreeSet::new();
    for word in WORDS.split_whitespace() {
        made.extend(ENDINGS.iter().map(|ending| format!("{word}{ending}")));
        let respelt = [
            word.replace('o', "0"),
            word.replace('a', "@"),
            word.replace('a', "@").replace('o', "0"),
            word.replace('a', "@").replace('o', "0").replace('s', "$"),
        ];
        for spelling in respelt {
            made.extend(ENDINGS_RESPELT.iter().map(|ending| format!("{spelling}{ending}")));
        }
        for beginning in ["1", "12", "123", "1234", "12345", "123456", "my", "the", "ilove"] {
            made.insert(format!("{beginning}{word}"));
        }
        made.insert(format!("{word}{word}"));
        made.insert(format!("{word}{word}{word}"));
    }
    for walk in WALKS {
        for length in PASSWORD_CHARACTERS_MIN_FLOOR..=walk.len() {
            made.extend(["", "1", "!", "123"].map(|ending| format!("{}{ending}", &walk[..length])));
        }
    }
    let repeated = REPEATED.iter().map(|part| (*part).to_owned());
    let single = ('0'..='9').chain('a'..='z').chain("!@#$*.-_".chars()).map(String::from);
    for part in repeated.chain(single) {
        for length in PASSWORD_CHARACTERS_MIN_FLOOR..=20 {
            made.insert(part.chars().cycle().take(length).collect());
        }
    }
    made.retain(|entry| entry.chars().count() >= PASSWORD_CHARACTERS_MIN_FLOOR);
    made
}

#[test]
fn crd_08_the_list_is_what_its_recipe_makes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/identity/common_passwords.txt");
    let mut text = made().into_iter().collect::<Vec<_>>().join("\n");
    text.push('\n');
    if std::env::var_os("AGORA_WRITE_COMMON_PASSWORDS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap() == text,
        "write the list anew: see the head of this file"
    );
}
