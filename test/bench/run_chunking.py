#!/usr/bin/env python3
"""What BDAT in the envelope's group is worth: messages a second over a few connections, and CPU.

    test/bench/run_chunking.py [--messages 1000] [--connections 4] [--delays 0,10,50] [--rounds 3]

Messages wait in the queue, then go to a server that offers PIPELINING and CHUNKING and answers what
it has read after a delay, as over a network of that round trip. delivery.chunking on and off take
turns.
"""
import argparse
import asyncio
import multiprocessing
import os
import time

from peer import Outpost, build, free_port, greets, median, smtp_source, wait_for, work_folder

BYTES = 5120
EHLO = b"250-sink\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 8BITMIME\r\n"


class Talk(asyncio.Protocol):
    def __init__(self, delay, count):
        self.delay, self.count = delay, count
        self.input, self.is_data, self.chunk = b"", False, None

    def connection_made(self, transport):
        self.transport = transport
        transport.write(b"220 sink\r\n")

    def taken(self):
        with self.count.get_lock():
            self.count.value += 1
        return b"250 taken\r\n"

    def step(self):
        """The answer to one thing read; None: more is needed."""
        if self.chunk is not None:
            if len(self.input) < self.chunk:
                return None
            self.input, self.chunk = self.input[self.chunk:], None
            return self.taken()
        end = self.input.find(b"\r\n.\r\n" if self.is_data else b"\r\n")
        if end < 0:
            return None
        line, self.input = self.input[:end], self.input[end + (5 if self.is_data else 2):]
        if self.is_data:
            self.is_data = False
            return self.taken()
        verb = line[:4]
        self.is_data = verb == b"DATA"
        if verb == b"BDAT":
            self.chunk = int(line.split()[1])
            return b""
        return {b"EHLO": EHLO, b"DATA": b"354 go\r\n", b"QUIT": b"221 bye\r\n"}.get(
            verb, b"250 ok\r\n")

    def data_received(self, data):
        self.input += data
        answers = list(iter(self.step, None))
        if any(answers):
            asyncio.get_running_loop().call_later(self.delay, self.transport.write,
                                                  b"".join(answers))


class Sink:
    def __init__(self, delay_ms):
        self.port, self.counter = free_port(), multiprocessing.Value("q", 0)
        self.process = multiprocessing.Process(target=self.run, args=(delay_ms / 1000,), daemon=True)
        self.process.start()
        wait_for(lambda: greets(self.port))

    def run(self, delay):
        async def serve():
            loop = asyncio.get_running_loop()
            server = await loop.create_server(lambda: Talk(delay, self.counter), "127.0.0.1",
                                              self.port)
            await server.serve_forever()
        asyncio.run(serve())

    def count(self):
        return self.counter.value

    def close(self):
        self.process.terminate()
        self.process.join()


def one_round(relay, sink, messages):
    """Messages a second, and CPU seconds for a thousand."""
    relay.start()
    relay.pause()
    smtp_source(relay.port, messages, 20, BYTES)
    goal, before, begin = sink.count() + messages, relay.cpu_s(), time.monotonic()
    relay.resume()
    wait_for(lambda: sink.count() >= goal, 300)
    seconds, cpu = time.monotonic() - begin, relay.cpu_s() - before
    relay.empty()
    return messages / seconds, cpu * 1000 / messages


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--delays", default="0,10,50", help="ms, of each group of replies")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--binary", help="this one, instead of building a static release binary")
    args = parser.parse_args()
    binary = os.path.abspath(args.binary) if args.binary else build()
    folder = work_folder()
    print(f"{args.messages} messages of 5 KiB over {args.connections} connections, medians of "
          f"{args.rounds} rounds\n")
    print("| replies after | DATA, messages/s | BDAT, messages/s | ratio | CPU s per 1000, DATA | BDAT |")
    print("| --- | --- | --- | --- | --- | --- |")
    for delay in map(int, args.delays.split(",")):
        sink, found = Sink(delay), {}
        relays = {way: Outpost(binary, f"{folder}/{way}-{delay}", sink.port, more=(
            f"[delivery]\nchunking = {way}\n"
            f"max_connections_per_destination = {args.connections}\n"))
                  for way in ("false", "true")}
        for n in range(args.rounds):
            for way in sorted(relays, reverse=bool(n % 2)):
                found.setdefault(way, []).append(one_round(relays[way], sink, args.messages))
        sink.close()
        (data, data_cpu), (bdat, bdat_cpu) = (
            [median(values) for values in zip(*found[way])] for way in ("false", "true"))
        print(f"| {delay} ms | {data:,.0f} | {bdat:,.0f} | {bdat / data:.2f} | {data_cpu:.2f} | "
              f"{bdat_cpu:.2f} |", flush=True)


if __name__ == "__main__":
    main()
