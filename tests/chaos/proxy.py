"""A TCP proxy that misbehaves when told to: cut, black hole, lost reply."""
import asyncio
import re
import socket
import struct
import threading

# What PostgreSQL says when a call has been committed and answered.
READY = b"Z\0\0\0\5I"


class Link:
    """One connection: a client's socket and the server's."""

    def __init__(self, *writers):
        self.writers = writers
        self.swallow = False  # What the server answers is not passed on.

    def reset(self):
        for writer in self.writers:
            end = writer.get_extra_info("socket")
            if end is not None and not writer.transport.is_closing():
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                               struct.pack("ii", 1, 0))
                writer.transport.abort()


class Proxy:
    """Listens on a port of 127.0.0.1, 'self.port', in front of another."""

    def __init__(self, target, port=0):
        self.target = target
        self.links = set()
        self.lose = None  # Pattern of the request whose reply will be lost.
        self.halve = False  # The next reply is cut in the middle.
        self.lost = 0
        self.cuts = 0
        self.loop = asyncio.new_event_loop()
        started = threading.Event()
        threading.Thread(target=self._run, args=(port, started),
                         daemon=True).start()
        started.wait(10)

    def cut(self):
        """Resets every connection."""
        self.loop.call_soon_threadsafe(self._reset_all)

    def set_hole(self, hole):
        """While true nothing passes, though every connection stays."""
        self.loop.call_soon_threadsafe(
            self.open.clear if hole else self.open.set)

    def _run(self, port, started):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._listen(port))
        started.set()
        self.loop.run_forever()

    async def _listen(self, port):
        self.open = asyncio.Event()
        self.open.set()
        server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = server.sockets[0].getsockname()[1]

    async def _serve(self, reader, writer):
        await self.open.wait()
        try:
            far_reader, far_writer = await asyncio.open_connection(
                "127.0.0.1", self.target)
        except OSError:
            Link(writer).reset()
            return
        link = Link(writer, far_writer)
        self.links.add(link)
        await asyncio.gather(self._pump(reader, far_writer, link, False),
                             self._pump(far_reader, writer, link, True))
        self.links.discard(link)

    async def _pump(self, reader, writer, link, is_reply):
        try:
            while data := await reader.read(65536):
                await self.open.wait()
                data = (self._reply if is_reply else self._request)(link, data)
                if data:
                    writer.write(data)
                    await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        if not writer.transport.is_closing():
            writer.close()

    def _request(self, link, data):
        if self.lose and re.search(self.lose, data):
            self.lose = None
            link.swallow = True
        return data

    def _reply(self, link, data):
        if link.swallow:
            if data.endswith(READY):
                self.lost += 1
                link.reset()
            return b""
        if self.halve:
            self.halve = False
            self.cuts += 1
            # What was already written goes out first.
            self.loop.call_later(0.01, self._reset_all)
            return data[:len(data) // 2]
        return data

    def _reset_all(self):
        for link in list(self.links):
            link.reset()
