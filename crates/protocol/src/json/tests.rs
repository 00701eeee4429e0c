//! Objects as serde_json reads them, and texts that are none.

use super::*;
use serde_json::Value;

/// The object as serde_json reads it.
fn judged(text: &[u8]) -> Option<Value> {
    serde_json::from_slice(text).ok().filter(Value::is_object)
}

fn same(object: &FlatObject, value: &Value) -> bool {
    let Value::Object(map) = value else {
        return false;
    };
    let is_same = |(name, own): &(String, FlatValue)| match (own, map.get(name)) {
        (FlatValue::Text(text), Some(Value::String(other))) => text == other,
        (FlatValue::Number(number), Some(other)) => other.as_i64() == Some(*number),
        (FlatValue::Flag(flag), Some(other)) => other.as_bool() == Some(*flag),
        (FlatValue::Null, Some(other)) => other.is_null(),
        (FlatValue::Object(object), Some(other)) => same(object, other),
        _ => false,
    };
    map.len() == object.members.len() && object.members.iter().all(is_same)
}

#[test]
fn what_is_read_is_what_serde_json_reads() {
    for text in [
        "{}",
        " { \"a\" : 1 , \"b\" : \"x\" } \n",
        "{\"parameters\":{\"state\":\"locked\",\"seconds\":30},\"continues\":false}",
        "{\"error\":null}",
        "{\"a\":\"\\u00e4\\ud83d\\ude00\\\"\\\\\\/\\b\\f\\n\\r\\t\"}",
        "{\"a\":0,\"b\":-12,\"c\":9223372036854775807}",
        "{\"ä\":\"😀\"}",
    ] {
        let object = FlatObject::parse(text.as_bytes()).unwrap();
        assert!(same(&object, &judged(text.as_bytes()).unwrap()), "{text}");
    }
}

#[test]
fn anything_else_is_refused() {
    let deep = "{\"a\":{\"b\":{}}}";
    let many: String = (0..40).map(|n| format!("\"{n}\":1,")).collect();
    for text in [
        "",
        "[]",
        "null",
        "{",
        "{}x",
        "{\"a\":1,}",
        "{\"a\":01}",
        "{\"a\":1.5}",
        "{\"a\":1e3}",
        "{\"a\":+1}",
        "{\"a\":-}",
        "{\"a\":-0}",
        "{\"a\":9223372036854775808}",
        "{\"a\":1,\"a\":1}",
        "{\"a\":[]}",
        deep,
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\udc00\"}",
        "{\"a\":\"\\ud800\\u0041\"}",
        "{\"a\":\"\\u+123\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":tru}",
        &format!("{{{}\"x\":1}}", many),
    ] {
        assert_eq!(FlatObject::parse(text.as_bytes()), Err(JsonError), "{text}");
    }
    assert_eq!(FlatObject::parse(b"{\"a\":\"\xff\"}"), Err(JsonError));
}

/// Every prefix and every changed byte of a message: read as serde_json reads it, or refused.
#[test]
fn no_damage_reads_as_something_else() {
    let whole =
        b"{\"parameters\":{\"result\":\"accepted\",\"device\":\"a\\u0062\",\"n\":-7,\"x\":true}}";
    let mut texts: Vec<Vec<u8>> = (0..whole.len()).map(|end| whole[..end].to_vec()).collect();
    for at in 0..whole.len() {
        for byte in 0..=255 {
            let mut changed = whole.to_vec();
            changed[at] = byte;
            texts.push(changed);
        }
    }
    for text in texts {
        if let Ok(object) = FlatObject::parse(&text) {
            let value = judged(&text).unwrap_or_else(|| panic!("{text:?}"));
            assert!(same(&object, &value), "{text:?}");
        }
    }
}

#[test]
fn what_is_written_is_read_back() {
    let every: String = (0..0x250)
        .filter_map(char::from_u32)
        .chain(['😀'])
        .collect();
    let inner = ObjectWriter::default().flag("yes", true);
    let text = ObjectWriter::default()
        .text("name \"quoted\"", &every)
        .count("seconds", 30)
        .object("inner", inner)
        .finish();
    let object = FlatObject::parse(text.as_bytes()).unwrap();
    assert_eq!(object.text("name \"quoted\""), Some(every.as_str()));
    assert_eq!(object.count("seconds"), Some(30));
    let inner = object.object("inner").unwrap();
    assert_eq!(inner.value("yes"), Some(&FlatValue::Flag(true)));
    assert!(same(&object, &judged(text.as_bytes()).unwrap()));
}

/// A terminal takes those from U+0080 for controls, too.
#[test]
fn control_characters_are_escaped() {
    for letter in ['\0', '\n', '\x1f', '\x7f', '\u{80}', '\u{9b}', '\u{9f}'] {
        let value = format!("x{letter}");
        let text = ObjectWriter::default().text("a", &value).finish();
        assert!(!text.chars().any(char::is_control), "{text:?}");
        let read = FlatObject::parse(text.as_bytes()).unwrap();
        assert_eq!(read.text("a"), Some(value.as_str()));
    }
}
