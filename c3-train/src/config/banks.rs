//! Query banks in TOML, which has no numbers for keys.

use std::collections::BTreeMap;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub fn serialize<S: Serializer>(banks: &BTreeMap<u32, usize>, to: S) -> Result<S::Ok, S::Error> {
    let named: BTreeMap<String, usize> =
        banks.iter().map(|(ratio, &count)| (ratio.to_string(), count)).collect();
    named.serialize(to)
}

pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<u32, usize>, D::Error> {
    let named = BTreeMap::<String, usize>::deserialize(from)?;
    let number = |(ratio, count): (String, usize)| match ratio.parse() {
        Ok(ratio) => Ok((ratio, count)),
        Err(_) => Err(D::Error::custom(format!("a bank is named by its ratio, not {ratio:?}"))),
    };
    named.into_iter().map(number).collect()
}
