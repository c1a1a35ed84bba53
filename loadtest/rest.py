"""The REST twin of the `send` frame."""

import aiohttp

from ringline.protocol import codec, frames, resources
from ringline.protocol.problems import Problem


async def post_message(
    http: aiohttp.ClientSession, base: str, token: str, send: frames.Send
) -> resources.SentMessage | Problem:
    """One try. Raise aiohttp.ClientError, TimeoutError or OSError when the gateway is not there."""
    message = resources.NewMessage(
        id=send.id,
        conversation=send.conversation,
        sequence=send.sequence,
        content_type=send.content_type,
        recipients=send.recipients,
    )
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    body = codec.encode_body(message)
    async with http.post(f"{base}/v1/messages", data=body, headers=headers) as answer:
        text = await answer.read()
        if answer.status in (200, 201):
            return codec.decode_body(text, resources.SentMessage)
        return codec.decode_body(text, Problem)
