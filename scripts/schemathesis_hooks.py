"""What Schemathesis 4.32 does not know by itself about this contract."""

import uuid

import schemathesis

# The contract's examples, with which Schemathesis fills in most requests. The key's second request would be 422, the token
# is alice's and from after all that she has.
EXAMPLE_KEY = '"8e03978e-40d5-43dd-bc93-6894a57f9324"'
EXAMPLE_TOKEN = "AAAAAAAAACoAAAAAAAAAKuWaCwmHwA"


@schemathesis.hook
def before_call(context, case, kwargs):
    headers = case.headers
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if headers.get("Idempotency-Key") == EXAMPLE_KEY:
        headers["Idempotency-Key"] = str(uuid.uuid4())
    if case.query.get("sync_token") == EXAMPLE_TOKEN:
        del case.query["sync_token"]
    # In its coverage phase it takes a bare 0 for an entity tag, against the pattern.
    for name in ("If-Match", "If-None-Match"):
        if headers.get(name) == "0":
            headers[name] = '"0"'
