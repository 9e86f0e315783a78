//! A verb's effect and the records behind it, in one write; and a record that is replaced.
//!
//! The delete has its own answer: a proxy may drop one without, or answer a `version` in its place.

use bytes::Bytes;

use super::{
    super::{
        super::{Amend, Lifetime, StoreError, effect::Effected, many::Precondition},
        command::OwnedEffect,
        exptime,
        limits::TOGETHER,
    },
    Classic,
    many::{Answers, stored},
    value_line::ValueLine,
};

impl Classic {
    pub(in super::super) async fn effect(
        &mut self,
        effect: &OwnedEffect,
        records: &[String],
    ) -> Result<Effected, StoreError> {
        let mut out = Vec::new();
        match effect {
            OwnedEffect::Delete(key) => {
                out.extend_from_slice(format!("delete {key}\r\n").as_bytes())
            }
            OwnedEffect::Write(write) => store(
                &mut out,
                write.key(),
                write.life,
                write.precondition,
                &write.bytes,
            ),
        }
        let get = format!("get {}\r\n", records.join(" "));
        let together = out.len() <= TOGETHER;
        if together {
            out.extend_from_slice(get.as_bytes());
        }
        let mut answers = self.send(&out).await?;
        let line = answers.line().await?;
        let done = match (effect, line.as_str()) {
            (OwnedEffect::Delete(_), "DELETED") => Ok(true),
            (OwnedEffect::Delete(_), "NOT_FOUND") => Ok(false),
            (OwnedEffect::Delete(_), _) => return Err(StoreError::Protocol),
            (OwnedEffect::Write(write), line) => stored(write.precondition, line)?,
        };
        if !together {
            answers.end()?;
            answers = self.send(get.as_bytes()).await?;
        }
        let records = values(&mut answers, records).await?;
        answers.end()?;
        self.validator.lock().mark_complete();
        done.map(|done| Effected { done, records })
    }

    pub(in super::super) async fn amend(&mut self, amend: &dyn Amend) -> Result<bool, StoreError> {
        let there = self.get_with_cas(&[amend.key()]).await?.pop().flatten();
        let Some((precondition, bytes)) = amend.replacing(there) else {
            return Ok(false);
        };
        let mut out = Vec::new();
        store(
            &mut out,
            amend.key(),
            Lifetime::Forever,
            precondition,
            &bytes,
        );
        let mut answers = self.send(&out).await?;
        let line = answers.line().await?;
        let written = stored(precondition, &line)??;
        answers.end()?;
        self.validator.lock().mark_complete();
        Ok(written)
    }
}

fn store(out: &mut Vec<u8>, key: &str, life: Lifetime, precondition: Precondition, bytes: &[u8]) {
    let (life, length) = (exptime::to_exptime(life), bytes.len());
    let head = match precondition {
        Precondition::Absent => format!("add {key} 0 {life} {length}\r\n"),
        Precondition::Cas(cas) => format!("cas {key} 0 {life} {length} {cas}\r\n"),
    };
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// The answer to a `get`: each value at the place of its key.
async fn values(
    answers: &mut Answers<'_>,
    keys: &[String],
) -> Result<Vec<Option<Bytes>>, StoreError> {
    let mut found = vec![None; keys.len()];
    loop {
        let line = answers.line().await?;
        if line == "END" {
            return Ok(found);
        }
        let value = ValueLine::parse(&line).filter(|value| value.cas.is_none());
        let value = value.ok_or(StoreError::Protocol)?;
        let place = keys.iter().position(|key| key == value.key);
        let place = place.ok_or(StoreError::Protocol)?;
        let bytes = answers.value(value.length).await?;
        if found[place].replace(bytes).is_some() {
            return Err(StoreError::Protocol);
        }
    }
}
