// Signatures by the browser: what the core asks about, WebCrypto answers.

const HASH = { 256: "SHA-256", 384: "SHA-384", 512: "SHA-512" };

/** Whether the signature of this question is right; nothing if this browser cannot tell. */
export async function isRight({ algorithm, key, message, signature }) {
  try {
    const { subtle } = globalThis.crypto;
    const { usual, parameters } = parametersOf(algorithm, key);
    const { kty, n, e, crv, x, y } = key;
    const imported = await subtle.importKey("jwk", { kty, n, e, crv, x, y }, usual, false, ["verify"]);
    return await subtle.verify(parameters, imported, bytes(signature), bytes(message));
  } catch {
    return null;
  }
}

// RFC 7518 section 3.1 in the words of WebCrypto.
function parametersOf(algorithm, key) {
  const hash = HASH[algorithm.slice(2)];
  switch (algorithm.slice(0, 2)) {
    case "RS":
      return { usual: { name: "RSASSA-PKCS1-v1_5", hash }, parameters: { name: "RSASSA-PKCS1-v1_5" } };
    case "PS": {
      const saltLength = Number(algorithm.slice(2)) / 8;
      return { usual: { name: "RSA-PSS", hash }, parameters: { name: "RSA-PSS", saltLength } };
    }
    case "ES":
      return { usual: { name: "ECDSA", namedCurve: key.crv }, parameters: { name: "ECDSA", hash } };
    default:
      return { usual: { name: "Ed25519" }, parameters: { name: "Ed25519" } };
  }
}

function bytes(base64url) {
  const text = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
