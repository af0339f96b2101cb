//! Lists in parts: where a part begins, and where the next one does (ESX-06).

use agora_service::problem::{FieldError, Problem};
use serde::{Serialize, de::DeserializeOwned};
use utoipa::IntoParams;

use crate::{
    app::App,
    params::{FromParams, Params, number},
    reply::List,
};

const LIMIT_DEFAULT: u64 = 20;
const LIMIT_MAX: u64 = 100;

/// Which part of a list is asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// At most so many items.
    #[param(required = false, minimum = 1, maximum = 100, default = 20)]
    pub limit: usize,
    /// `next` of the part before; absent for the first part. Opaque, and good for this list only.
    pub cursor: Option<String>,
}

impl FromParams for Page {
    fn from_params(params: &mut Params) -> Self {
        let limit = params.value("limit", |text| number(text, 1..=LIMIT_MAX));
        let cursor = params.value("cursor", |text| Ok(text.to_owned()));
        Self { limit: limit.unwrap_or(LIMIT_DEFAULT) as usize, cursor }
    }
}

impl Page {
    /// The place after which the part begins: the cursor's, else `start`. `list` names the list
    /// with all that chooses and orders its items.
    ///
    /// # Errors
    /// 400 where the cursor was changed or belongs to another list.
    pub fn place<P: DeserializeOwned>(
        &self,
        app: &App,
        list: &str,
        start: P,
    ) -> Result<P, Problem> {
        let Some(cursor) = &self.cursor else { return Ok(start) };
        app.cursors.read(list, cursor).ok_or_else(|| {
            Problem::wrong_fields(vec![FieldError {
                pointer: "/query/cursor".into(),
                rule: None,
                detail: "`cursor` is not one that this list has given: begin without it.".into(),
            }])
        })
    }

    /// How many rows to ask for: one more than are shown tells whether the list goes on.
    pub fn rows(&self) -> i64 {
        i64::try_from(self.limit).unwrap_or(i64::MAX).saturating_add(1)
    }

    /// The rows to show, and the cursor of what comes after them.
    pub fn cut<T, P: Serialize>(
        &self,
        app: &App,
        list: &str,
        mut rows: Vec<T>,
        place: impl FnOnce(&T) -> P,
    ) -> List<T> {
        let goes_on = rows.len() > self.limit;
        rows.truncate(self.limit);
        let last = rows.last().filter(|_| goes_on);
        let next = last.map(|last| app.cursors.write(list, &place(last)));
        List { items: rows, next }
    }
}
