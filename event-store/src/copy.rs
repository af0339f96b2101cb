//! Rows in the binary format of `COPY … FROM STDIN`, encoded as sqlx encodes parameters.
//! <https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.55.9.4>

use sqlx::{Encode, Postgres, encode::IsNull, postgres::PgArgumentBuffer};

/// The signature, no flags, no extension of the header.
const HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const END: i16 = -1;
const NULL: i32 = -1;

/// What is sent after the statement.
pub(crate) struct CopyData(PgArgumentBuffer);

impl CopyData {
    /// `bytes`: about how long it gets.
    pub(crate) fn new(bytes: usize) -> Self {
        let mut buffer = PgArgumentBuffer::default();
        buffer.reserve(bytes);
        buffer.extend_from_slice(HEADER);
        Self(buffer)
    }

    /// Begins a row of so many values.
    pub(crate) fn row(&mut self, values: i16) {
        self.0.extend_from_slice(&values.to_be_bytes());
    }

    /// The row's next value, of exactly its column's type, or a text for an enum.
    ///
    /// # Errors
    /// Where the value cannot be encoded, or is longer than Postgres takes.
    pub(crate) fn value<'q>(
        &mut self,
        value: impl Encode<'q, Postgres>,
    ) -> Result<(), sqlx::Error> {
        let length = self.0.len();
        self.0.extend_from_slice(&NULL.to_be_bytes());
        if let IsNull::No = value.encode(&mut self.0).map_err(sqlx::Error::Encode)? {
            let bytes = i32::try_from(self.0.len() - length - size_of_val(&NULL))
                .map_err(|error| sqlx::Error::Encode(error.into()))?;
            self.0[length..length + size_of_val(&NULL)].copy_from_slice(&bytes.to_be_bytes());
        }
        Ok(())
    }

    /// Ends the data: nothing comes after.
    pub(crate) fn end(&mut self) {
        self.0.extend_from_slice(&END.to_be_bytes());
    }

    /// What is to be sent next.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Once it is sent.
    pub(crate) fn sent(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_length_before_them_and_nulls_have_none() {
        let mut data = CopyData::new(0);
        data.row(3);
        data.value(7_i16).unwrap();
        data.value(None::<&str>).unwrap();
        data.value("ab").unwrap();
        let row = [0, 3, 0, 0, 0, 2, 0, 7, 255, 255, 255, 255, 0, 0, 0, 2, b'a', b'b'];
        assert_eq!(data.bytes(), [HEADER.as_slice(), &row].concat());
        data.sent();
        data.end();
        assert_eq!(data.bytes(), [255, 255]);
    }
}
