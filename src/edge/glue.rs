//! The functions of `glue.js`, typed.

use std::pin::Pin;

use js_sys::{Array, Promise, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use wasm_bindgen_futures::future_to_promise;
use web_sys::Request;

#[wasm_bindgen(module = "/src/edge/glue.js")]
extern "C" {
    /// Method, URL, then names and values of the headers, separated by line feeds: how many bytes
    /// were written, or, negative, how many would be enough.
    #[wasm_bindgen(js_name = packHead)]
    pub(super) fn pack_head(request: &Request, buffer: &mut [u8]) -> i32;

    /// A head as a request of it would have it, or nothing if there can be no such request.
    #[wasm_bindgen(js_name = asItComes)]
    pub(super) fn as_it_comes(packed: &str) -> Option<String>;

    /// The text of a binding; a table becomes JSON.
    #[wasm_bindgen(js_name = bindingText)]
    pub(super) fn binding_text(env: &JsValue, name: &str) -> Option<String>;

    /// A service binding, or `undefined`.
    #[wasm_bindgen(js_name = serviceBinding)]
    pub(super) fn service_binding(env: &JsValue, name: &str) -> JsValue;

    /// Registers what makes a response of a failed origin.
    #[wasm_bindgen(js_name = onOriginFailure)]
    pub(super) fn on_origin_failure(handler: &Closure<dyn Fn(Request, String) -> JsValue>);

    /// Sends the request on.
    #[wasm_bindgen(js_name = forward)]
    pub(super) fn forward(
        service: &JsValue,
        request: &Request,
        url: Option<&str>,
        edits: &str,
        keep_body: bool,
        is_personal: bool,
    ) -> JsValue;

    /// A response that is all text.
    #[wasm_bindgen(js_name = textResponse)]
    pub(super) fn text_response(status: u16, headers: &str, body: Option<&[u8]>) -> JsValue;

    /// The promise of a file among the assets, with these headers.
    #[wasm_bindgen(js_name = asset)]
    pub(super) fn asset(assets: &JsValue, path: &str, method: &str, headers: &str) -> JsValue;

    /// A key of the runtime, or `undefined`.
    #[wasm_bindgen(js_name = importPublicKey)]
    pub(super) fn import_public_key(jwk: &str) -> JsValue;

    /// A key of the runtime for RSASSA-PSS, or `undefined`.
    #[wasm_bindgen(js_name = importPssKey)]
    pub(super) fn import_pss_key(jwk: &str) -> JsValue;

    /// A private key of the runtime, or `undefined`.
    #[wasm_bindgen(js_name = importPrivateKey)]
    pub(super) fn import_private_key(jwk: &str) -> JsValue;

    /// RSASSA-PKCS1-v1_5, ECDSA (DER) or, with [`Hash::None`](super::crypto::Hash), Ed25519.
    #[wasm_bindgen(js_name = verifySignature)]
    pub(super) fn verify_signature(
        hash: u8,
        key: &JsValue,
        message: &[u8],
        signature: &[u8],
    ) -> bool;

    /// RSASSA-PSS.
    #[wasm_bindgen(js_name = verifyPss)]
    pub(super) fn verify_pss(hash: u8, key: &JsValue, message: &[u8], signature: &[u8]) -> bool;

    /// An Ed25519 signature, one with RSASSA-PKCS1-v1_5 or ECDSA (DER), or nothing.
    #[wasm_bindgen(js_name = sign)]
    pub(super) fn sign(hash: u8, key: &JsValue, message: &[u8]) -> Option<Vec<u8>>;

    /// A signature with RSASSA-PSS, or nothing.
    #[wasm_bindgen(js_name = signPss)]
    pub(super) fn sign_pss(hash: u8, key: &JsValue, message: &[u8]) -> Option<Vec<u8>>;

    /// A dataset of Analytics Engine, or `undefined`.
    #[wasm_bindgen(js_name = dataset)]
    pub(super) fn dataset(env: &JsValue, name: &str) -> JsValue;

    /// Writes a data point.
    #[wasm_bindgen(js_name = writeDataPoint)]
    pub(super) fn write_data_point(dataset: &JsValue, words: &str);

    /// A KV namespace, or `undefined`.
    #[wasm_bindgen(js_name = kvNamespace)]
    pub(super) fn kv_namespace(env: &JsValue, name: &str) -> JsValue;

    /// The value under a key as an `ArrayBuffer`, `null` if there is none, `undefined` if it is late.
    #[wasm_bindgen(js_name = kvGet)]
    pub(super) async fn kv_get(namespace: &JsValue, key: &str, timeout_ms: u32) -> JsValue;

    /// Writes a value; whether that worked.
    #[wasm_bindgen(js_name = kvPut)]
    pub(super) async fn kv_put(
        namespace: &JsValue,
        key: &str,
        value: &[u8],
        ttl_seconds: u32,
    ) -> JsValue;

    /// Deletes a value; whether that worked.
    #[wasm_bindgen(js_name = kvDelete)]
    pub(super) async fn kv_delete(namespace: &JsValue, key: &str) -> JsValue;

    /// The body of a request as an `Uint8Array`, or `undefined` if it is too long or broke off.
    #[wasm_bindgen(js_name = readBody)]
    async fn read_body(request: &Request, most_bytes: u32) -> JsValue;

    /// Sends a request and reads what comes back.
    #[wasm_bindgen(js_name = exchange)]
    pub(super) async fn exchange(
        url: &str,
        authorization: Option<&str>,
        form: Option<&str>,
        timeout_ms: u32,
        most_bytes: u32,
    ) -> Answer;

    /// Waits.
    #[wasm_bindgen(js_name = sleep)]
    pub(super) async fn sleep(millis: u32);

    /// Waits for a promise, but no longer than that.
    #[wasm_bindgen(js_name = within)]
    pub(super) async fn within(promise: &Promise, millis: u32) -> JsValue;

    /// A namespace of Durable Objects, or `undefined`.
    #[wasm_bindgen(js_name = objectNamespace)]
    pub(super) fn object_namespace(env: &JsValue, name: &str) -> JsValue;

    /// Calls a Durable Object and reads what comes back.
    #[wasm_bindgen(js_name = callObject)]
    pub(super) async fn call_object(
        namespace: &JsValue,
        name: &str,
        hint: Option<&str>,
        path: &str,
        body: Option<&[u8]>,
        timeout_ms: u32,
        most_bytes: u32,
    ) -> Answer;

    /// Calls a relay, perhaps by way of the data centre's cache, and reads what comes back.
    #[wasm_bindgen(js_name = pull)]
    pub(super) async fn pull(
        namespace: &JsValue,
        name: &str,
        hint: Option<&str>,
        path: &str,
        body: &[u8],
        lifetime_ms: u32,
        timeout_ms: u32,
        most_bytes: u32,
    ) -> Answer;

    /// A response that is bytes, and perhaps says up to which batch of metrics all are kept.
    #[wasm_bindgen(js_name = bytesResponse)]
    pub(super) fn bytes_response(status: u16, body: &[u8], kept: Option<u32>) -> JsValue;

    /// Continent and longitude of where a request is from, and the data centre that it came to, as lines.
    #[wasm_bindgen(js_name = placeOf)]
    pub(super) fn place_of(request: &Request) -> String;

    /// How many lines are written in a second about faults that the wasm does not see; 0 for none.
    #[wasm_bindgen(js_name = logFaults)]
    pub(super) fn log_faults(at_most: u32);

    /// The rows of a statement as lists, or `undefined` if it failed.
    #[wasm_bindgen(js_name = sql)]
    pub(super) fn sql(object: &Object, statement: &str, parameters: &Array) -> JsValue;

    /// The rows of a query as bytes, or nothing if it failed.
    #[wasm_bindgen(js_name = packRows)]
    pub(super) fn pack_rows(object: &Object, query: &str, parameters: &Array) -> Option<Vec<u8>>;

    /// Runs a statement, another one with each of these rows, and a third: all or nothing. Whether it
    /// was all.
    #[wasm_bindgen(js_name = putRows)]
    pub(super) fn put_rows(
        object: &Object,
        first: &str,
        statement: &str,
        packed: &[u8],
        last: &str,
        parameters: &Array,
    ) -> bool;

    /// How many leashes an object holds, or those of one tag.
    #[wasm_bindgen(js_name = leashCount)]
    pub(super) fn leash_count(object: &Object, tag: Option<&str>) -> u32;

    /// Takes a leash with these tags, which are parted by dots: the response.
    #[wasm_bindgen(js_name = takeLeash)]
    pub(super) fn take_leash(object: &Object, tags: &str, first: &[u8]) -> JsValue;

    /// Says something over all leashes of a tag.
    #[wasm_bindgen(js_name = sayToAll)]
    pub(super) fn say_to_all(object: &Object, tag: &str, said: &[u8]);

    /// Says something over a leash.
    #[wasm_bindgen(js_name = say)]
    pub(super) fn say(leash: &JsValue, said: &[u8]);

    /// Sees to it that the object is called within that time.
    #[wasm_bindgen(js_name = setAlarm)]
    pub(super) async fn set_alarm(object: &Object, millis: u32);

    /// What came back.
    pub(super) type Answer;

    /// Why nothing did.
    #[wasm_bindgen(method, getter)]
    pub(super) fn fault(this: &Answer) -> Option<String>;

    /// The status.
    #[wasm_bindgen(method, getter)]
    pub(super) fn status(this: &Answer) -> u16;

    /// By how many milliseconds it can be older than it says.
    #[wasm_bindgen(method, getter, js_name = olderMs)]
    pub(super) fn older_ms(this: &Answer) -> Option<u32>;

    /// Up to which batch of metrics all are kept.
    #[wasm_bindgen(method, getter)]
    pub(super) fn kept(this: &Answer) -> Option<u32>;

    /// The body.
    #[wasm_bindgen(method, getter)]
    pub(super) fn body(this: &Answer) -> Vec<u8>;
}

#[wasm_bindgen]
extern "C" {
    /// A Durable Object, as entry/edge.js makes it.
    #[derive(Clone)]
    pub type Object;

    /// Its name, which is always the same.
    #[wasm_bindgen(method, getter)]
    pub(super) fn id(this: &Object) -> String;

    /// What tells it from its other incarnations in this isolate.
    #[wasm_bindgen(method, getter)]
    pub(super) fn number(this: &Object) -> u32;

    /// Its bindings.
    #[wasm_bindgen(method, getter)]
    pub(super) fn env(this: &Object) -> JsValue;
}

#[wasm_bindgen]
extern "C" {
    /// The context of a request.
    #[derive(Clone)]
    pub type Context;

    /// Keeps the context alive until a promise is settled, also after the response.
    #[wasm_bindgen(method, js_name = waitUntil)]
    pub(super) fn wait_until(this: &Context, promise: &Promise);
}

#[wasm_bindgen]
extern "C" {
    /// Writes a line that operators need to see.
    #[wasm_bindgen(js_namespace = console, js_name = log)]
    pub(super) fn console_log(line: &str);

    /// Writes a line about something that is not as it should be.
    #[wasm_bindgen(js_namespace = console, js_name = warn)]
    pub(super) fn console_warn(line: &str);

    /// Writes a line about a fault of ours.
    #[wasm_bindgen(js_namespace = console, js_name = error)]
    pub(super) fn console_error(line: &str);
}

impl Context {
    /// The promise of a response. A client that leaves does not stop what leads to it.
    pub(super) fn promise(&self, response: impl Future<Output = JsValue> + 'static) -> JsValue {
        let promise = promise(response);
        self.wait_until(&promise);
        promise.into()
    }
}

/// The promise of what a future gives. Boxed, because the code that runs a future is made for each type of
/// future otherwise, and the module is a tenth larger.
pub(super) fn promise(future: impl Future<Output = JsValue> + 'static) -> Promise {
    run(Box::pin(future))
}

#[inline(never)]
fn run(future: Pin<Box<dyn Future<Output = JsValue>>>) -> Promise {
    future_to_promise(async move { Ok(future.await) })
}

/// The body of a request, unless it is too long or broke off.
pub(super) async fn body(request: &Request, most_bytes: u32) -> Option<Vec<u8>> {
    let body = read_body(request, most_bytes).await;
    (!body.is_undefined()).then(|| Uint8Array::new(&body).to_vec())
}
