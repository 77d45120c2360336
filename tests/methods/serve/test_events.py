import asyncio
import json

from methods.serve.events import WAITING, Events


def test_browsers_get_what_is_published_until_the_end(result):
    async def listen():
        events, got = Events(), []
        stream = events.stream()
        assert (await anext(stream)).startswith(":")
        await asyncio.to_thread(events.publish, result("a"))
        got.append(await anext(stream))
        await asyncio.to_thread(events.close)
        return got, [text async for text in stream], events

    [text], rest, events = asyncio.run(listen())
    assert json.loads(text.removeprefix("data: "))["id"] == "a"
    assert text.endswith("\n\n")
    assert rest == []
    events.publish(result("b"))  # nobody listens


def test_a_browser_that_is_too_slow_begins_anew(result):
    async def listen():
        events = Events()
        stream = events.stream()
        await anext(stream)
        for _ in range(WAITING + 1):
            events.publish(result("a"))
        await asyncio.sleep(0)
        return [text async for text in stream]

    assert asyncio.run(listen()) == []
