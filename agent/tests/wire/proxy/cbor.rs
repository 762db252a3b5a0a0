//! CBOR as the Smithy RPC v2 protocol uses it: a value for requests and small answers.
//!
//! Not here: `GetMetricData`'s answer, whose hundred thousand points are encoded one by one in `cloudwatch`.

use std::collections::BTreeMap;

use minicbor::data::{IanaTag, Type};
use minicbor::decode::Error;
use minicbor::{Decoder, Encoder};

/// Anything that CloudWatch's operations carry.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Integer(i64),
    Text(String),
    List(Vec<Value>),
    Map(BTreeMap<String, Value>),
    /// Seconds since 1970.
    Time(f64),
}

impl Value {
    pub(crate) fn map(members: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        Self::Map(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    pub(crate) fn text_of(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// The member of that name; `Null` where there is none or this is no map.
    pub(crate) fn get(&self, name: &str) -> &Value {
        static NULL: Value = Value::Null;
        if let Self::Map(members) = self { members.get(name).unwrap_or(&NULL) } else { &NULL }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) | Self::Time(number) => Some(*number),
            Self::Integer(number) => Some(*number as f64),
            Self::Null | Self::Bool(_) | Self::Text(_) | Self::List(_) | Self::Map(_) => None,
        }
    }

    /// The items of a list; none where this is no list.
    pub(crate) fn list(&self) -> &[Value] {
        if let Self::List(items) = self { items } else { &[] }
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        read(&mut Decoder::new(bytes))
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::new());
        self.write(&mut encoder);
        encoder.into_writer()
    }

    pub(crate) fn write(&self, to: &mut Encoder<Vec<u8>>) {
        match self {
            Self::Null => to.null(),
            Self::Bool(flag) => to.bool(*flag),
            Self::Number(number) => to.f64(*number),
            Self::Integer(number) => to.i64(*number),
            Self::Text(text) => to.str(text),
            Self::Time(time) => to.tag(IanaTag::Timestamp).and_then(|to| to.f64(*time)),
            Self::List(items) => to.array(items.len() as u64),
            Self::Map(members) => to.map(members.len() as u64),
        }
        .expect("writing to memory cannot fail");
        if let Self::List(items) = self {
            items.iter().for_each(|item| item.write(to));
        }
        if let Self::Map(members) = self {
            for (name, value) in members {
                Self::text_of(name).write(to);
                value.write(to);
            }
        }
    }
}

fn read(from: &mut Decoder<'_>) -> Result<Value, Error> {
    Ok(match from.datatype()? {
        Type::Null | Type::Undefined => {
            from.skip()?;
            Value::Null
        }
        Type::Bool => Value::Bool(from.bool()?),
        Type::F16 | Type::F32 | Type::F64 => Value::Number(from.f64()?),
        Type::String | Type::StringIndef => {
            Value::Text(from.str_iter()?.collect::<Result<String, Error>>()?)
        }
        Type::Array | Type::ArrayIndef => {
            let length = from.array()?;
            Value::List(elements(from, length, read)?)
        }
        Type::Map | Type::MapIndef => {
            let length = from.map()?;
            let member = |from: &mut Decoder<'_>| Ok((from.str()?.to_owned(), read(from)?));
            Value::Map(elements(from, length, member)?.into_iter().collect())
        }
        Type::Tag => {
            from.tag()?;
            Value::Time(read(from)?.number().ok_or_else(|| Error::message("a time is a number"))?)
        }
        Type::U8
        | Type::U16
        | Type::U32
        | Type::U64
        | Type::I8
        | Type::I16
        | Type::I32
        | Type::I64 => Value::Integer(from.i64()?),
        other @ (Type::Int
        | Type::Simple
        | Type::Bytes
        | Type::BytesIndef
        | Type::Break
        | Type::Unknown(_)) => {
            return Err(Error::message(format!("`{other}` stands in no request of CloudWatch")));
        }
    })
}

/// Reads `length` elements, or up to the break where the length is not told.
fn elements<T>(
    from: &mut Decoder<'_>,
    length: Option<u64>,
    one: impl Fn(&mut Decoder<'_>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    if let Some(length) = length {
        return (0..length).map(|_| one(from)).collect();
    }
    let mut all = Vec::new();
    while from.datatype()? != Type::Break {
        all.push(one(from)?);
    }
    from.skip()?;
    Ok(all)
}
