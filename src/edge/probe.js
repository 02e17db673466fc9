// The engines that the gate does not use, to measure them against those that it does.

const webCrypto = globalThis.crypto.subtle;
const nodeCrypto = process.getBuiltinModule("node:crypto");

const PARAMETERS = {
  HS256: { name: "HMAC", hash: "SHA-256" },
  HS384: { name: "HMAC", hash: "SHA-384" },
  HS512: { name: "HMAC", hash: "SHA-512" },
  RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  RS384: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-384" },
  RS512: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-512" },
  PS256: { name: "RSA-PSS", hash: "SHA-256", saltLength: 32 },
  PS384: { name: "RSA-PSS", hash: "SHA-384", saltLength: 48 },
  PS512: { name: "RSA-PSS", hash: "SHA-512", saltLength: 64 },
  ES256: { name: "ECDSA", hash: "SHA-256", namedCurve: "P-256" },
  ES384: { name: "ECDSA", hash: "SHA-384", namedCurve: "P-384" },
  ES512: { name: "ECDSA", hash: "SHA-512", namedCurve: "P-521" },
  EdDSA: { name: "Ed25519" },
};

/** A promise of a key. */
export function importForWebCrypto(algorithm, jwk) {
  return webCrypto.importKey("jwk", JSON.parse(jwk), PARAMETERS[algorithm], false, ["verify"]);
}

/** A promise of the verdict. An ECDSA signature is both numbers side by side. */
export function verifyByWebCrypto(algorithm, key, message, signature) {
  return webCrypto.verify(PARAMETERS[algorithm], key, signature, message);
}

/** A secret of the runtime's synchronous cryptography. */
export function importHmac(secret) {
  return nodeCrypto.createSecretKey(secret);
}

/** Compares in constant time. */
export function verifyHmac(hash, key, message, signature) {
  const expected = nodeCrypto.createHmac(hash, key).update(message).digest();
  return expected.length === signature.length && nodeCrypto.timingSafeEqual(expected, signature);
}
