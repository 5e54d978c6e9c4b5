"""One script for all wires, and the configuration of a provider on each of the two others than chat."""

SCRIPT = """
[[reply]]
when = { says = "think" }
reasoning = "Paris is the capital."
signature = "c2lnbmF0dXJl"
text = "It is Paris."
[reply.usage]
input_tokens = 100
cache_read_tokens = 60
cache_write_tokens = 10
output_tokens = 9
reasoning_tokens = 4
[[reply]]
when = { says = "tools" }
text = "Let me look."
[[reply.tool_calls]]
name = "get_weather"
arguments = '{"city":"Paris"}'
split_at = [1, 9]
[[reply.tool_calls]]
name = "get_time"
arguments = { zone = "CET" }
at_start = true
[[reply]]
when = { says = "long" }
tokens = 1000
"""
JSON_SCRIPT = """
[[reply]]
when = { says = "as json" }
text = '{"city":"Paris","people":2100000}'
"""
MESSAGES_PROVIDER = """
[providers.claudius]
wire = "anthropic_messages"
base_url = "{origin}"
api_key = "sk-upstream"
allow_private = true
[[providers.claudius.models]]
id = "acme/native"
upstream_id = "native-1"
context_length = 131072
input_mtok = 1.0
output_mtok = 2.0
cache_read_mtok = 0.1
cache_write_mtok = 1.25
"""
RESPONSES_PROVIDER = """
[providers.respond]
wire = "openai_responses"
base_url = "{base_url}"
api_key = "sk-upstream"
allow_private = true
[[providers.respond.models]]
id = "acme/responder"
upstream_id = "responder-1"
context_length = 131072
input_mtok = 1.0
output_mtok = 2.0
"""
