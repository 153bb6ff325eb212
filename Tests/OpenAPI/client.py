"""Calls every endpoint of a service with the client that openapi-python-client has made of its own openapi.json.

  client.py URL KEY FOLDER       FOLDER holds the package `transom_client`

An answer that the document does not describe, or that the client's models lose a part of, ends it with an exception.
"""
import datetime
import http.server
import importlib
import inspect
import json
import pkgutil
import re
import sys
import threading
import time
import urllib.request

url, key, folder = sys.argv[1:]
sys.path.insert(0, folder)

import transom_client.api
from transom_client import AuthenticatedClient, Client, models
from transom_client.types import UNSET

operations = {
    module.name.split(".")[-1]: importlib.import_module(module.name)
    for module in pkgutil.walk_packages(transom_client.api.__path__, "transom_client.api.") if not module.ispkg}
client = AuthenticatedClient(base_url=url, token=key, raise_on_unexpected_status=True)
called = set()


def comparable(value):
    """A value in which times are times: the same one can be written with more digits."""
    if isinstance(value, dict):
        return {name: comparable(one) for name, one in value.items()}
    if isinstance(value, list):
        return [comparable(one) for one in value]
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\dT", value):
        return datetime.datetime.fromisoformat(value)
    return value


def call(operation, expected=200, by=client, **arguments):
    """What the client makes of the answer."""
    called.add(operation)
    answer = operations[operation].sync_detailed(client=by, **arguments)
    assert answer.status_code == expected, f"{operation}: {answer.status_code} {answer.content}"
    if hasattr(answer.parsed, "to_dict"):
        # Nothing is lost on the way through the models.
        sent, read = comparable(json.loads(answer.content)), comparable(answer.parsed.to_dict())
        assert read == sent, f"{operation}:\n{read}\n{sent}"
    return answer.parsed


document = json.load(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url + "/openapi.json"))

# Transactions: each example of the document, and one that fails.
body = document["paths"]["/transactions"]["post"]["requestBody"]["content"]["application/json"]
for name, example in body["examples"].items():
    request = models.TransactionRequest.from_dict(example["value"])
    assert request.to_dict() == example["value"], name
    # Rolled back, so that the next one finds what the document says.
    request.dry_run = True
    result = call("run_transaction", body=request)
    assert result.status == models.TransactionResultStatus.ROLLED_BACK and result.results, name
failing = models.TransactionRequest.from_dict({"statements": [{"sql": "select 1"}, {"sql": "select * from nowhere"}]})
problem = call("run_transaction", 422, body=failing)
assert (problem.outcome, problem.statement) == (models.ProblemOutcome.ROLLED_BACK, "/statements/1"), problem
assert problem.sqlstate == "42P01"
nobody = Client(base_url=url, raise_on_unexpected_status=True)
assert call("run_transaction", 401, by=nobody, body=failing).type_ == "/problems/unauthenticated"
once = models.TransactionRequest.from_dict({"statements": [{"sql": "select gen_random_uuid()"}]})
answers = [call("run_transaction", body=once, idempotency_key="once") for _ in range(2)]
assert answers[0] == answers[1]

# Named transactions, each of which has a path of its own.
note = models.TransactionsNoteBody.from_dict({"params": {"owner": "ada", "amounts": [1, None], "about": {"a": 1}}})
assert call("transactions_note", body=note).to_dict()["results"][0]["rows"] == [
    {"owner": "ada", "amounts": [1, None], "about": {"a": 1}}]
wrong = models.TransactionsNoteBody.from_dict({"params": {"owner": 1}})
assert call("transactions_note", 422, body=wrong).pointer == "/params/owner"
named = models.NamedTransactionRequest.from_dict({"params": {"owner": "bob"}})
assert call("run_named_transaction", transaction="note", body=named).status == models.TransactionResultStatus.COMMITTED
assert call("run_named_transaction", 404, transaction="nothing", body=named).type_ == "/problems/unknown-transaction"

# Neon's protocol.
line = f"postgresql://web:{key}@localhost/default"
query = models.NeonQuery.from_dict({"query": "select $1::int + 1 as n", "params": ["1"]})
assert call("run_query", body=query, neon_connection_string=line).to_dict()["rows"] == [{"n": 2}]
batch = models.NeonBatch.from_dict({"queries": [{"query": "select 1"}, {"query": "select 2"}]})
assert len(call("run_query", body=batch, neon_connection_string=line).to_dict()["results"]) == 2


# Webhooks, with a receiver that refuses the first message.
class Receiver(http.server.BaseHTTPRequestHandler):
    received = []

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        Receiver.received.append(self.headers["webhook-id"])
        self.send_response(204 if len(Receiver.received) > 1 else 500)
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()


def eventually(what, condition):
    end = time.monotonic() + 60
    while not (found := condition()):
        assert time.monotonic() < end, f"not {what}"
        time.sleep(0.05)
    return found


address = f"http://127.0.0.1:{server.server_port}/hook"
hook = call("create_webhook", 201, body=models.CreateWebhookBody.from_dict({"url": address, "events": ["account.*"]}))
assert hook.secret.startswith("whsec_")
assert [one.id for one in call("list_webhooks").webhooks] == [hook.id]
change = models.WebhookChange.from_dict({"description": "of client.py"})
assert call("change_webhook", webhook=hook.id, body=change).description == "of client.py"
assert call("get_webhook", webhook=hook.id).url == address
assert call("rotate_secret", webhook=hook.id).secret != hook.secret
assert call("test_webhook", 202, webhook=hook.id).event.event == "webhook.test"
emitting = models.TransactionRequest.from_dict({
    "statements": [], "on_commit": [{"event": "account.created", "data": {"owner": "ada"}}]})
event = call("run_transaction", body=emitting).events[0]


def deliveries(status=UNSET):
    return call("list_deliveries", webhook=hook.id, status=status).deliveries


eventually("both attempted", lambda: len(Receiver.received) >= 2)
refused = eventually("one refused", lambda: next(
    (one for one in deliveries() if one.attempt_count == 1 and one.status == models.DeliveryStatus.PENDING), None))
delivered = eventually("one delivered", lambda: deliveries(models.ListDeliveriesStatus.DELIVERED))
assert {refused.event.id, delivered[0].event.id} >= {event.id}
assert call("get_delivery", delivery=refused.id).attempts[0].status == 500
assert call("redeliver", 202, delivery=refused.id).id == refused.id
eventually("all delivered", lambda: len(deliveries(models.ListDeliveriesStatus.DELIVERED)) == 2)
since = models.RedeliverAllBody.from_dict({"since": "2020-01-01T00:00:00Z"})
assert call("redeliver_all", 202, webhook=hook.id, body=since).deliveries >= 0
call("delete_webhook", 204, webhook=hook.id)
assert call("get_webhook", 404, webhook=hook.id).type_ == "/problems/not-found"

# What needs nothing is called, and that is all.
for name, module in operations.items():
    if list(inspect.signature(module.sync_detailed).parameters) == ["client"]:
        call(name)

assert set(operations) == called, f"not called: {set(operations) - called}"
print(f"{len(called)} endpoints")
