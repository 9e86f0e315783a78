//! Whom a connection to Postgres believes. Owns the root certificates of Amazon RDS; must not know a URL.

use sqlx::postgres::PgConnectOptions;

/// Certificates of all regions, each after a line that says its region.
const RDS: &str = include_str!("rds-roots.pem");

/// Root certificates.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Roots {
    /// Those that browsers have.
    Public,
    /// Those in a PEM file, too; read at each connection.
    File(String),
    /// Those of RDS in one region, too.
    Rds(String),
}

impl Roots {
    /// The roots of RDS in `region`.
    ///
    /// # Errors
    /// The region is unset, or its roots are not known here.
    pub(super) fn of_rds(region: Option<&str>) -> Result<Self, String> {
        let region = region.ok_or("sslrootcert=rds needs AWS_REGION, which Lambda sets")?;
        let pem = of_region(region);
        if pem.is_empty() {
            return Err(format!(
                "no root certificate of RDS in {region:?} is built in: add it with dev/rds-roots and deploy again"
            ));
        }
        Ok(Self::Rds(pem))
    }

    pub(super) fn apply(&self, options: PgConnectOptions) -> PgConnectOptions {
        match self {
            Self::Public => options,
            Self::File(path) => options.ssl_root_cert(path),
            Self::Rds(pem) => options.ssl_root_cert_from_pem(pem.clone().into_bytes()),
        }
    }
}

/// The certificates of one region alone: three to parse at a connection and to believe, not all.
fn of_region(region: &str) -> String {
    let head = format!("Amazon RDS {region} ");
    RDS.split("# ")
        .filter(|part| part.starts_with(&head))
        .filter_map(|part| part.split_once('\n'))
        .map(|(_, pem)| pem)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_has_three_roots_of_its_own() {
        for region in ["eu-west-1", "us-east-1", "ap-southeast-4", "il-central-1"] {
            let pem = of_region(region);
            assert_eq!(
                pem.matches("-----BEGIN CERTIFICATE-----\n").count(),
                3,
                "{region}"
            );
            assert_eq!(
                pem.matches("-----END CERTIFICATE-----\n").count(),
                3,
                "{region}"
            );
            assert!(!pem.contains('#'), "{region}");
        }
        assert_ne!(of_region("eu-west-1"), of_region("eu-west-2"));
    }

    #[test]
    fn a_region_that_is_not_known_is_named() {
        assert!(Roots::of_rds(Some("eu-west")).is_err_and(|reason| reason.contains("eu-west")));
        assert!(Roots::of_rds(None).is_err_and(|reason| reason.contains("AWS_REGION")));
    }
}
