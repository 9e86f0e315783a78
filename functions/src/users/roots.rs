//! The root certificates that a connection to Postgres trusts, with those of Amazon RDS.

use sqlx::postgres::PgConnectOptions;

/// The certificates of all regions, each after a comment line that names its region.
const RDS: &str = include_str!("rds-roots.pem");

/// Root certificates.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Roots {
    /// The public ones, as in browsers.
    Public,
    /// The public ones and those of a PEM file, which is read for each connection.
    File(String),
    /// The public ones and those of RDS in one region.
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
                "sslrootcert=rds has no root certificate for the region {region:?}: \
                 add it with dev/rds-roots and build again, or name the file of that region's bundle instead"
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

/// The certificates of one region, so that a connection parses and trusts three and not all.
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
        for region in ["eu-west-1", "us-east-1", "ap-southeast-7", "mx-central-1"] {
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
