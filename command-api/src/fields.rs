//! The fields of a body: parsed into value types where they stand, and all that is wrong reported
//! at once.

use std::{borrow::Cow, fmt, marker::PhantomData, str::FromStr};

use agora_domain::{
    RuleBreak,
    exports::export_values::FileSize,
    security::{reputation::Score, values::Confidence},
    values::DisplayOrder,
};
use agora_service::problem::{FieldError, Problem};
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned},
};

/// A field as it came.
#[derive(Clone, Debug, Default)]
pub enum Field<T> {
    #[default]
    Missing,
    Null,
    Good(T),
    Bad(RuleBreak),
}

/// A value that a JSON text or number can be.
pub trait FromJson: Sized {
    /// What a wrong JSON type is told.
    const EXPECTED: &'static str;

    fn from_text(_: &str) -> Result<Self, RuleBreak> {
        Err(RuleBreak::malformed(Self::EXPECTED))
    }

    fn from_integer(_: i64) -> Result<Self, RuleBreak> {
        Err(RuleBreak::malformed(Self::EXPECTED))
    }

    /// A number with a fraction or an exponent.
    fn from_float(_: f64) -> Result<Self, RuleBreak> {
        Err(RuleBreak::malformed(Self::EXPECTED))
    }

    fn from_bool(_: bool) -> Result<Self, RuleBreak> {
        Err(RuleBreak::malformed(Self::EXPECTED))
    }

    /// The outer error is the whole body's.
    fn from_items<'de, A: de::SeqAccess<'de>>(
        mut items: A,
    ) -> Result<Result<Self, RuleBreak>, A::Error> {
        while items.next_element::<de::IgnoredAny>()?.is_some() {}
        Ok(Err(RuleBreak::malformed(Self::EXPECTED)))
    }

    /// As [`Self::from_items`].
    fn from_fields<'de, A: de::MapAccess<'de>>(
        mut fields: A,
    ) -> Result<Result<Self, RuleBreak>, A::Error> {
        while fields.next_entry::<de::IgnoredAny, de::IgnoredAny>()?.is_some() {}
        Ok(Err(RuleBreak::malformed(Self::EXPECTED)))
    }
}

impl<T: FromStr<Err = RuleBreak>> FromJson for T {
    const EXPECTED: &'static str = "must be a text";

    fn from_text(text: &str) -> Result<Self, RuleBreak> {
        text.parse()
    }
}

/// A whole number that becomes a value.
#[derive(Clone, Copy, Debug)]
pub struct Whole<T>(pub T);

impl FromJson for Whole<DisplayOrder> {
    const EXPECTED: &'static str = "must be a whole number";

    fn from_integer(number: i64) -> Result<Self, RuleBreak> {
        DisplayOrder::try_from(number).map(Self)
    }
}

impl FromJson for Whole<FileSize> {
    const EXPECTED: &'static str = "must be a whole number";

    fn from_integer(number: i64) -> Result<Self, RuleBreak> {
        FileSize::try_from(number).map(Self)
    }
}

impl FromJson for Whole<u64> {
    const EXPECTED: &'static str = "must be a whole number from 0 to 2^53";

    /// No more than every JSON reader takes without rounding (RFC 8259 §6).
    fn from_integer(number: i64) -> Result<Self, RuleBreak> {
        let count = u64::try_from(number).ok().filter(|count| *count <= 1 << 53);
        count.map(Self).ok_or(RuleBreak::malformed(Self::EXPECTED))
    }
}

impl FromJson for Whole<u32> {
    const EXPECTED: &'static str = "must be a whole number from 0 to 2^32 - 1";

    fn from_integer(number: i64) -> Result<Self, RuleBreak> {
        u32::try_from(number).map(Self).map_err(|_| RuleBreak::malformed(Self::EXPECTED))
    }
}

impl FromJson for Whole<Score> {
    const EXPECTED: &'static str = "must be a whole number";

    fn from_integer(number: i64) -> Result<Self, RuleBreak> {
        Score::try_from(number).map(Self)
    }
}

/// A number from 0 to 1.
#[derive(Clone, Copy, Debug)]
pub struct Fraction(pub Confidence);

impl FromJson for Fraction {
    const EXPECTED: &'static str = "must be a number";

    fn from_integer(number: i64) -> Result<Self, RuleBreak> {
        // What is too large for an i32 is too large for a fraction.
        Self::from_float(i32::try_from(number).map_or(f64::MAX, f64::from))
    }

    fn from_float(number: f64) -> Result<Self, RuleBreak> {
        Confidence::try_from(number).map(Self)
    }
}

/// Yes or no.
#[derive(Clone, Copy, Debug)]
pub struct Flag(pub bool);

impl FromJson for Flag {
    const EXPECTED: &'static str = "must be true or false";

    fn from_bool(flag: bool) -> Result<Self, RuleBreak> {
        Ok(Self(flag))
    }
}

impl<'de, T: FromJson> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor(PhantomData))
    }
}

/// An object in a body. What stands in it is told by its own places.
#[derive(Debug)]
pub struct Object<T>(pub T);

impl<T: DeserializeOwned> FromJson for Object<T> {
    const EXPECTED: &'static str = "must be an object";

    fn from_fields<'de, A: de::MapAccess<'de>>(
        fields: A,
    ) -> Result<Result<Self, RuleBreak>, A::Error> {
        T::deserialize(de::value::MapAccessDeserializer::new(fields)).map(|it| Ok(Self(it)))
    }
}

/// A list in a body. What is wrong with its items is told by their own places.
#[derive(Debug)]
pub struct List<T>(pub Vec<Field<T>>);

impl<T: FromJson> FromJson for List<T> {
    const EXPECTED: &'static str = "must be a list";

    fn from_items<'de, A: de::SeqAccess<'de>>(
        mut items: A,
    ) -> Result<Result<Self, RuleBreak>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Ok(Self(list)))
    }
}

struct FieldVisitor<T>(PhantomData<T>);

impl<'de, T: FromJson> de::Visitor<'de> for FieldVisitor<T> {
    type Value = Field<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E>(self, text: &str) -> Result<Field<T>, E> {
        Ok(T::from_text(text).map_or_else(Field::Bad, Field::Good))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Field<T>, E> {
        Ok(T::from_integer(number).map_or_else(Field::Bad, Field::Good))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Field<T>, E> {
        self.visit_i64(i64::try_from(number).unwrap_or(i64::MAX))
    }

    fn visit_unit<E>(self) -> Result<Field<T>, E> {
        Ok(Field::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Field<T>, E> {
        Ok(T::from_bool(flag).map_or_else(Field::Bad, Field::Good))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Field<T>, E> {
        Ok(T::from_float(number).map_or_else(Field::Bad, Field::Good))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, items: A) -> Result<Field<T>, A::Error> {
        Ok(T::from_items(items)?.map_or_else(Field::Bad, Field::Good))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, fields: A) -> Result<Field<T>, A::Error> {
        Ok(T::from_fields(fields)?.map_or_else(Field::Bad, Field::Good))
    }
}

/// Collects what is wrong with a body's fields.
#[derive(Default)]
pub struct WrongFields {
    errors: Vec<FieldError>,
}

impl WrongFields {
    /// The value; none where it is missing or wrong, which is then noted.
    pub fn required<T>(
        &mut self,
        pointer: impl Into<Cow<'static, str>>,
        field: Field<T>,
    ) -> Option<T> {
        match field {
            Field::Good(value) => Some(value),
            Field::Missing => self.note(pointer, &RuleBreak::malformed("is required")),
            Field::Null => self.note(pointer, &RuleBreak::malformed("must not be null")),
            Field::Bad(broken) => self.note(pointer, &broken),
        }
    }

    /// As [`Self::required`], where a rule of its own says that it must be there.
    pub fn required_by<T>(
        &mut self,
        rule: &'static str,
        pointer: &'static str,
        field: Field<T>,
    ) -> Option<T> {
        match field {
            Field::Missing | Field::Null => {
                self.note(pointer, &RuleBreak::new(rule, "is required"))
            }
            other => self.required(pointer, other),
        }
    }

    /// Notes a field that is there and must not be.
    pub fn absent<T>(&mut self, pointer: &'static str, field: &Field<T>, says: &'static str) {
        if !matches!(field, Field::Missing) {
            self.push(pointer.into(), &RuleBreak::malformed(says));
        }
    }

    /// The value or nothing; the outer option is empty where it is wrong.
    pub fn optional<T>(
        &mut self,
        pointer: impl Into<Cow<'static, str>>,
        field: Field<T>,
    ) -> Option<Option<T>> {
        match field {
            Field::Missing | Field::Null => Some(None),
            other => self.required(pointer, other).map(Some),
        }
    }

    /// A change: nothing where the field is missing, `Some(None)` where null takes the value away.
    pub fn change<T>(
        &mut self,
        pointer: &'static str,
        field: Field<T>,
    ) -> Option<Option<Option<T>>> {
        match field {
            Field::Missing => Some(None),
            Field::Null => Some(Some(None)),
            other => self.required(pointer, other).map(|value| Some(Some(value))),
        }
    }

    /// Every item of a list.
    pub fn list<T>(
        &mut self,
        pointer: impl Into<Cow<'static, str>>,
        fields: Field<List<T>>,
    ) -> Option<Vec<T>> {
        let pointer = pointer.into();
        let List(fields) = self.required(pointer.clone(), fields)?;
        let mut values = Vec::with_capacity(fields.len());
        let mut whole = true;
        for (index, field) in fields.into_iter().enumerate() {
            let place = format!("{pointer}/{index}");
            let broken = match field {
                Field::Good(value) => {
                    values.push(value);
                    continue;
                }
                Field::Bad(broken) => broken,
                Field::Missing | Field::Null => RuleBreak::malformed("must not be null"),
            };
            whole = false;
            self.push(place.into(), &broken);
        }
        whole.then_some(values)
    }

    /// Notes what is wrong with a field, or with several together.
    pub fn note<T>(
        &mut self,
        pointer: impl Into<Cow<'static, str>>,
        broken: &RuleBreak,
    ) -> Option<T> {
        self.push(pointer.into(), broken);
        None
    }

    fn push(&mut self, pointer: Cow<'static, str>, broken: &RuleBreak) {
        let name = pointer.trim_start_matches('/').replace('/', " ");
        let detail = format!("`{name}` {}.", broken.detail).into();
        self.errors.push(FieldError { pointer, rule: broken.rule, detail });
    }

    pub fn into_problem(self) -> Option<Problem> {
        (!self.errors.is_empty()).then(|| Problem::wrong_fields(self.errors))
    }
}
