"""proxy: a bad network in front of a server: slow, narrow, frozen (half-open), cut. One thread with an asyncio loop; forwards TCP."""
import asyncio
import socket
import struct
import threading


class Proxy:
    """Forwards to (host, port). What it does may be changed at any time from the test's thread:

    delay        seconds that each piece waits, each way
    rate         bytes a second, each way; None = as fast as it comes
    mute         connections are taken, and nothing is ever said on those that come from now on
    refuse       how many of the next connections are closed at once (MaxStartups does so)
    drop_after   a connection is cut (reset) after so many bytes from the server; then the limit is off again
    """

    PIECE = 16 * 1024

    def __init__(self, host, port, address="127.0.0.1"):
        self.target, self.address = (host, port), address
        self.delay, self.rate, self.mute, self.refuse, self.drop_after = 0, None, False, 0, None
        self.taken = 0
        self._writers, self._frozen = set(), set()  # of pairs that are open, and those of them that pass nothing
        self._thawed, self._freezes_new = None, False
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        started.wait(10)
        self.port = self._server.sockets[0].getsockname()[1]

    def _run(self, started):
        asyncio.set_event_loop(self._loop)
        self._thawed = asyncio.Event()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, self.address, 0))
        started.set()
        self._loop.run_forever()

    async def _serve(self, reader, writer):
        self.taken += 1
        if self.refuse > 0:
            self.refuse -= 1
            writer.close()
            return
        self._writers.add(writer)
        if self.mute:
            return
        try:
            there, back = await asyncio.open_connection(*self.target)
        except OSError:
            self._reset(writer)
            return
        self._writers.add(back)
        if self._freezes_new:
            self._frozen |= {writer, back}
        await asyncio.gather(self._pump(reader, back, False), self._pump(there, writer, True))

    async def _pump(self, reader, writer, from_server):
        passed = 0
        try:
            while data := await reader.read(self.PIECE):
                while writer in self._frozen:
                    await self._thawed.wait()
                if self.delay:
                    await asyncio.sleep(self.delay)
                if self.rate:
                    await asyncio.sleep(len(data) / self.rate)
                passed += len(data)
                if from_server and self.drop_after is not None and passed >= self.drop_after:
                    self.drop_after = None
                    self._reset_all()
                    return
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            if writer not in self._frozen:  # who is frozen is not told of the other side's end either
                writer.close()
                self._writers.discard(writer)

    @staticmethod
    def _reset(writer):
        """Closed with what is unread thrown away: the other side sees a reset."""
        sock = writer.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    def _reset_all(self):
        for writer in self._writers:
            self._reset(writer)
        self._writers.clear()

    def _call(self, fn):
        done = threading.Event()

        def call():
            fn()
            done.set()
        self._loop.call_soon_threadsafe(call)
        done.wait(10)

    def freeze(self, new=True):
        """Nothing passes any more, and nobody is told; new False: on the connections of now."""
        def freeze():
            self._thawed.clear()
            self._frozen |= self._writers
            self._freezes_new = new
        self._call(freeze)

    def thaw(self):
        def thaw():
            self._frozen.clear()
            self._freezes_new = False
            self._thawed.set()
        self._call(thaw)

    def cut(self):
        """Every connection is reset, on both sides; new ones pass."""
        self._call(self._reset_all)

    def stop(self):
        def end():
            self._server.close()
            self._reset_all()
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.call_soon(self._loop.stop)
        self._loop.call_soon_threadsafe(end)
        self._thread.join(10)
