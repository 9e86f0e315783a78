//! The 500 users of a new database, the same ones everywhere: 25 first names with 20 family names. Owns the table; must
//! not know who asks.

use sqlx::sqlite::{SqlitePool, SqliteTransaction};

/// With the spelling for the address.
const FIRST: [(&str, &str); 25] = [
    ("María", "maria"),
    ("José", "jose"),
    ("Zoë", "zoe"),
    ("Søren", "soren"),
    ("Łukasz", "lukasz"),
    ("Aïcha", "aicha"),
    ("Jürgen", "jurgen"),
    ("Björk", "bjork"),
    ("İpek", "ipek"),
    ("Siobhán", "siobhan"),
    ("François", "francois"),
    ("Anneliese", "anneliese"),
    ("Ñusta", "nusta"),
    ("Håkon", "hakon"),
    ("Željka", "zeljka"),
    ("Noor", "noor"),
    ("Kwame", "kwame"),
    ("Дмитрий", "dmitri"),
    ("Ελένη", "eleni"),
    ("美咲", "misaki"),
    ("Oluwaseun", "oluwaseun"),
    ("Grace", "grace"),
    ("Rajesh", "rajesh"),
    ("João", "joao"),
    ("Emily", "emily"),
];

const FAMILY: [(&str, &str); 20] = [
    ("García", "garcia"),
    ("Nuñez", "nunez"),
    ("O’Connor", "oconnor"),
    ("Müller", "mueller"),
    ("Kowalczyk", "kowalczyk"),
    ("Østergaard", "ostergaard"),
    ("Nguyễn", "nguyen"),
    ("Haddad", "haddad"),
    ("Okafor", "okafor"),
    ("Śliwa", "sliwa"),
    ("Lefèvre", "lefevre"),
    ("Yılmaz", "yilmaz"),
    ("Иванова", "ivanova"),
    ("Παπαδάκης", "papadakis"),
    ("田中", "tanaka"),
    ("Smith", "smith"),
    ("Patel", "patel"),
    ("da Silva", "dasilva"),
    ("Þórsdóttir", "thorsdottir"),
    ("Mensah", "mensah"),
];

const CITIES: [&str; 9] = [
    "Bogotá",
    "Kraków",
    "São Paulo",
    "Reykjavík",
    "Accra",
    "Zürich",
    "Hà Nội",
    "大阪",
    "Dublin",
];

/// Makes and fills the table unless it is there. One transaction: of processes that start together the first one
/// does it, and the others wait for SQLite's lock and then see the whole table.
pub(super) async fn plant(pool: &SqlitePool) -> Result<(), sqlx::Error> {
    let is_planted =
        "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'users')";
    if sqlx::query_scalar(is_planted).fetch_one(pool).await? {
        return Ok(());
    }
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    if !sqlx::query_scalar(is_planted)
        .fetch_one(&mut *transaction)
        .await?
    {
        fill(&mut transaction).await?;
    }
    transaction.commit().await
}

async fn fill(transaction: &mut SqliteTransaction<'_>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE, city TEXT NOT NULL)",
    )
    .execute(&mut **transaction)
    .await?;
    for number in 0..FIRST.len() * FAMILY.len() {
        let (name, email, city) = person(number);
        sqlx::query("INSERT INTO users (name, email, city) VALUES (?, ?, ?)")
            .bind(name)
            .bind(email)
            .bind(city)
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}

/// Name, address and city of one of the 500; neighbours share neither first nor family name.
fn person(number: usize) -> (String, String, &'static str) {
    let first = FIRST[number % FIRST.len()];
    let family = FAMILY[(number / FIRST.len() + number % FIRST.len()) % FAMILY.len()];
    let email = format!("{}.{}@example.com", first.1, family.1);
    (
        format!("{} {}", first.0, family.0),
        email,
        CITIES[number % CITIES.len()],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_of_the_500_are_the_same_person() {
        let people: std::collections::HashSet<_> =
            (0..500).map(|number| person(number).1).collect();
        assert_eq!(people.len(), 500);
        assert!(people.iter().all(|email| email.is_ascii()));
    }

    #[test]
    fn the_first_user_never_changes() {
        let expected = (
            "María García".to_owned(),
            "maria.garcia@example.com".to_owned(),
            "Bogotá",
        );
        assert_eq!(person(0), expected);
    }
}
