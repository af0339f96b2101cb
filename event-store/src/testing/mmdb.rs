//! Databases in MaxMind's format, which tests write themselves: of one address each.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

/// Writes a database that knows one address: a tree with a node for each of its bits.
///
/// # Panics
/// Where the folder cannot be written to.
pub fn database(folder: &Path, name: &str, address: Ipv4Addr, record: &Value) -> PathBuf {
    let (nodes, mut out) = (32_u32, Vec::new());
    for bit in 0..nodes {
        let next = if bit + 1 < nodes { bit + 1 } else { nodes + 16 };
        let is_right = address.to_bits() >> (31 - bit) & 1 == 1;
        let (left, right) = if is_right { (nodes, next) } else { (next, nodes) };
        out.extend(&left.to_be_bytes()[1..]);
        out.extend(&right.to_be_bytes()[1..]);
    }
    out.extend([0; 16]);
    write(record, &mut out);
    out.extend(b"\xab\xcd\xefMaxMind.com");
    let metadata = json!({
        "binary_format_major_version": 2, "binary_format_minor_version": 0, "build_epoch": 1,
        "database_type": name, "description": { "en": "a test" }, "ip_version": 4,
        "languages": ["en"], "node_count": nodes, "record_size": 24,
    });
    write(&metadata, &mut out);
    fs::create_dir_all(folder).expect("the folder can be made");
    let path = folder.join(format!("{name}.mmdb"));
    fs::write(&path, out).expect("the folder can be written to");
    path
}

/// A value as the format writes it: a byte with type and size, then the value.
fn write(value: &Value, out: &mut Vec<u8>) {
    let mut control = |kind: u8, size: usize| {
        let (size, more) = if size < 29 { (size as u8, None) } else { (29, Some(size - 29)) };
        if kind > 7 {
            out.extend([size, kind - 7]);
        } else {
            out.push(kind << 5 | size);
        }
        out.extend(more.map(|more| more as u8));
    };
    match value {
        Value::String(text) => {
            control(2, text.len());
            out.extend(text.as_bytes());
        }
        Value::Number(number) => {
            control(6, 4);
            let number = number.as_u64().and_then(|it| u32::try_from(it).ok());
            out.extend(number.expect("a number of 32 bits").to_be_bytes());
        }
        Value::Bool(flag) => control(14, usize::from(*flag)),
        Value::Array(items) => {
            control(11, items.len());
            items.iter().for_each(|item| write(item, out));
        }
        Value::Object(members) => {
            control(7, members.len());
            for (name, value) in members {
                write(&json!(name), out);
                // What the metadata counts has types of its own.
                match (name.as_str(), value.as_u64()) {
                    ("build_epoch", Some(number)) => {
                        out.extend([8, 9 - 7]);
                        out.extend(number.to_be_bytes());
                    }
                    ("node_count" | "autonomous_system_number", _) | (_, None) => write(value, out),
                    (_, Some(number)) => {
                        out.push(5 << 5 | 2);
                        out.extend((number as u16).to_be_bytes());
                    }
                }
            }
        }
        // The format has no null: nothing is known.
        Value::Null => control(7, 0),
    }
}
