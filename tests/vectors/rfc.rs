//! The examples of the specifications, from their text: RFC 7515 appendix A
//! (<https://www.rfc-editor.org/rfc/rfc7515#appendix-A>) and RFC 8037 appendix A
//! (<https://www.rfc-editor.org/rfc/rfc8037#appendix-A>).

use serde_json::json;

use super::judged::{none_of, verdicts};
use super::probe::Probe;

struct Example {
    name: &'static str,
    key: &'static str,
    token: &'static str,
}

const EXAMPLES: [Example; 5] = [
    Example {
        name: "RFC 7515 A.1, HS256",
        key: concat!(
            r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtM"#,
            r#"N3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#,
        ),
        token: "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzO\
                DAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p\
                1r_wW1gFWFOEjXk",
    },
    Example {
        name: "RFC 7515 A.2, RS256",
        key: concat!(
            r#"{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddx"#,
            r#"HmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32"#,
            r#"690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7W"#,
            r#"TBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmo"#,
            r#"udF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#,
        ),
        token: "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9le\
                GFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9\
                PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BA\
                ynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOL\
                n6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9\
                Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    },
    Example {
        name: "RFC 7515 A.3, ES256",
        key: concat!(
            r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","#,
            r#""y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
        ),
        token: "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9le\
                GFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfT\
                jDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    },
    Example {
        name: "RFC 7515 A.4, ES512",
        key: concat!(
            r#"{"kty":"EC","crv":"P-521","x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjc"#,
            r#"BpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk","y":"ADSmRA43Z1DSNx_RvcLI87cdL0"#,
            r#"7l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"}"#,
        ),
        token: "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaR\
                I1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJ\
                jyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
    },
    Example {
        name: "RFC 8037 A.4, EdDSA",
        key: concat!(
            r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUR"#,
            r#"o"}"#,
        ),
        token: "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPO\
                t7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    },
];

#[tokio::test]
async fn the_signatures_of_the_specifications_are_right_and_no_altered_one_is() {
    let probe = Probe::start();
    let mut cases = Vec::new();
    let mut expected = Vec::new();
    for Example { name, key, token } in EXAMPLES {
        cases.push(json!({ "keys": key, "token": token }));
        expected.push((name, "accepted"));
        for (what, altered) in altered(token) {
            cases.push(json!({ "keys": key, "token": altered }));
            expected.push((name, "rejected: bad_signature"));
            assert_ne!(altered, token, "{name}: {what}");
        }
    }
    let verdicts = verdicts(probe.ask("token", &cases).await);
    let failures: Vec<String> = (expected.iter().zip(&verdicts))
        .filter(|((_, expected), found)| expected != found)
        .map(|((name, expected), found)| format!("{name}: expected {expected}, found {found}"))
        .collect();
    none_of(&failures);
    assert_eq!(verdicts.len(), EXAMPLES.len() * 4);
}

/// The token with one character changed: at the start and in the middle of the signature, and in
/// the payload. The last character of a part can have unused bits, so it stays.
fn altered(token: &str) -> [(&'static str, String); 3] {
    let signature = token.rfind('.').unwrap() + 1;
    let payload = token.find('.').unwrap() + 1;
    let change = |at: usize| {
        let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
        format!("{}{other}{}", &token[..at], &token[at + 1..])
    };
    [
        ("first of the signature", change(signature)),
        ("middle of the signature", change(signature.midpoint(token.len()))),
        ("payload", change(payload)),
    ]
}
