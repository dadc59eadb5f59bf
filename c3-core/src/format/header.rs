//! The JSON header of a safetensors file.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::error::clip;
use crate::{Error, Result};

const METADATA: &str = "__metadata__";

/// What the header says of one tensor.
#[derive(serde::Serialize, serde::Deserialize, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(super) struct TensorEntry {
    pub dtype: String,
    pub shape: Vec<u64>,
    /// First byte and one past the last, counted from the end of the header.
    pub data_offsets: [u64; 2],
}

/// A header as read: names are unique, nothing else is checked.
#[derive(Default)]
pub(super) struct Header {
    pub metadata: BTreeMap<String, String>,
    pub tensors: BTreeMap<String, TensorEntry>,
}

impl Header {
    pub fn parse(json: &[u8]) -> Result<Self> {
        if json.first() != Some(&b'{') {
            return Err(Error::BadHeader("it doesn't start with '{'".to_owned()));
        }
        // serde's messages quote what they found, which may be megabytes.
        serde_json::from_slice(json).map_err(|error| Error::BadHeader(clip_message(&error)))
    }
}

fn clip_message(error: &serde_json::Error) -> String {
    format!("line {} column {}: {}", error.line(), error.column(), clip(&error.to_string()))
}

/// The header's text: metadata sorted by name, tensors in the order given, so that the same input
/// gives the same bytes.
pub(super) fn to_json(
    metadata: &BTreeMap<String, String>,
    tensors: &[(&'static str, TensorEntry)],
) -> Result<Vec<u8>> {
    serde_json::to_vec(&Ordered { metadata, tensors })
        .map_err(|error| Error::BadHeader(clip_message(&error)))
}

struct Ordered<'a> {
    metadata: &'a BTreeMap<String, String>,
    tensors: &'a [(&'static str, TensorEntry)],
}

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.tensors.len() + 1))?;
        map.serialize_entry(METADATA, self.metadata)?;
        for (name, entry) in self.tensors {
            map.serialize_entry(name, entry)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeaderVisitor;
        impl<'de> Visitor<'de> for HeaderVisitor {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut header = Header::default();
                let mut has_metadata = false;
                while let Some(name) = map.next_key::<String>()? {
                    let again = if name == METADATA {
                        header.metadata = map.next_value::<Unique<String>>()?.0;
                        std::mem::replace(&mut has_metadata, true)
                    } else {
                        let entry = map.next_value()?;
                        header.tensors.insert(name.clone(), entry).is_some()
                    };
                    if again {
                        return Err(duplicate(&name));
                    }
                }
                Ok(header)
            }
        }
        deserializer.deserialize_map(HeaderVisitor)
    }
}

/// A map in which no key may occur twice: JSON leaves open which of two values counts.
struct Unique<V>(BTreeMap<String, V>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Unique<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct UniqueVisitor<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for UniqueVisitor<V> {
            type Value = Unique<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique<V>, A::Error> {
                let mut values = BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, V>()? {
                    if values.insert(key.clone(), value).is_some() {
                        return Err(duplicate(&key));
                    }
                }
                Ok(Unique(values))
            }
        }
        deserializer.deserialize_map(UniqueVisitor(PhantomData))
    }
}

fn duplicate<E: serde::de::Error>(name: &str) -> E {
    E::custom(format_args!("{:?} occurs twice", clip(name)))
}
