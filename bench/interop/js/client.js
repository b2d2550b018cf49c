// kafkajs: sends a file of records, each to the partition and in the codec it names, and waits for every answer, then asks for
// the offsets; or reads a topic to its ends, as the only member of a group of its own: it has no consumer without one.
// Arguments: produce BOOTSTRAP TOPIC FILE | read BOOTSTRAP TOPIC PARTITIONS
const crypto = require('crypto')
const fs = require('fs')
const path = require('path')
const installed = name => require(path.join(process.env.INTEROP_HOME, 'js', 'node_modules', name))
const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = installed('kafkajs')

// Kafkajs itself has gzip, and a place for the codecs of others.
const codec = (compress, decompress) => () => ({
  compress: async encoder => Buffer.from(await compress(encoder.buffer)),
  decompress: async data => Buffer.from(await decompress(data))
})
const zstd = installed('@bokuweb/zstd-wasm')
const snappy = installed('snappyjs')
const lz4 = installed('lz4-napi')
const unframed = { defaultHeapSize: 1 << 24 } // for who does not say how long it is when it is decompressed
CompressionCodecs[CompressionTypes.Snappy] = codec(snappy.compress, unsnap)
CompressionCodecs[CompressionTypes.LZ4] = codec(lz4.compressFrame, lz4.decompressFrame)
CompressionCodecs[CompressionTypes.ZSTD] = codec(data => zstd.compress(data, 3), data => zstd.decompress(data, unframed))

// unsnap reads both forms: a block by itself, and xerial's frame of blocks.
function unsnap (data) {
  if (data.subarray(0, 8).toString('latin1') !== '\x82SNAPPY\0') return snappy.uncompress(data)
  const blocks = []
  for (let at = 16; at < data.length;) {
    const end = at + 4 + data.readInt32BE(at)
    blocks.push(snappy.uncompress(data.subarray(at + 4, end)))
    at = end
  }
  return Buffer.concat(blocks)
}

const [doing, bootstrap, topic, what] = process.argv.slice(2)

function * records (data) {
  let at = 0
  const number = () => { at += 4; return data.readInt32BE(at - 4) }
  const nullable = () => {
    const length = number()
    if (length < 0) return null
    at += length
    return data.subarray(at - length, at)
  }
  while (at < data.length) {
    const [partition, codec, time] = [number(), number(), data.readBigInt64BE(at)]
    at += 8
    const [key, value, headers] = [nullable(), nullable(), {}]
    for (let left = number(); left > 0; left--) headers[nullable().toString()] = nullable()
    yield { codec, message: { partition, key, value, headers, timestamp: time === 0n ? undefined : time.toString() } }
  }
}

const connected = () => new Kafka({
  clientId: 'kafkajs',
  brokers: [bootstrap],
  logLevel: logLevel.NOTHING,
  retry: { initialRetryTime: 100, maxRetryTime: 1000, retries: 300 }
})

async function produce (file) {
  const kafka = connected()
  const admin = kafka.admin()
  await admin.connect()
  const own = `${topic}-made-by-kafkajs`
  await admin.createTopics({ topics: [{ topic: own, numPartitions: 1, replicationFactor: 1 }] })
  await admin.deleteTopics({ topics: [own] })
  const producer = kafka.producer({ allowAutoTopicCreation: false })
  await producer.connect()
  let [count, bytes, messages, compression] = [0, 0, [], CompressionTypes.None]
  const flush = async () => {
    if (messages.length > 0) await producer.send({ topic, messages, acks: -1, compression })
    messages = []
    bytes = 0
  }
  for (const { codec, message } of records(fs.readFileSync(file))) {
    const size = message.value === null ? 0 : message.value.length
    if (bytes + size > 500000 || codec !== compression) await flush()
    messages.push(message)
    bytes += size
    count++
    compression = codec
  }
  await flush()
  await producer.disconnect()
  await admin.fetchTopicOffsets(topic)
  await admin.describeCluster()
  await admin.disconnect()
  return count
}

// Digest is what a partition holds: count and SHA-256 over offset, time, key, value and headers.
class Digest {
  constructor (end) {
    this.end = end
    this.done = end === 0n
    this.count = 0
    this.sum = crypto.createHash('sha256')
  }

  add (offset, message) {
    const head = Buffer.alloc(16)
    head.writeBigInt64BE(offset)
    head.writeBigInt64BE(BigInt(message.timestamp), 8)
    this.sum.update(head)
    this.absorb(message.key)
    this.absorb(message.value)
    for (const [name, value] of Object.entries(message.headers)) {
      this.absorb(Buffer.from(name))
      this.absorb(value)
    }
    this.count++
    this.done = offset + 1n >= this.end
  }

  absorb (data) {
    const length = Buffer.alloc(4)
    length.writeInt32BE(data === null ? -1 : data.length)
    this.sum.update(length)
    if (data !== null) this.sum.update(data)
  }
}

async function read (partitions) {
  const kafka = connected()
  const admin = kafka.admin()
  await admin.connect()
  const digests = new Map()
  for (const { partition, high } of await admin.fetchTopicOffsets(topic)) digests.set(String(partition), new Digest(BigInt(high)))
  await admin.disconnect()
  const consumer = kafka.consumer({ groupId: `${topic}-kafkajs-reads` })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await new Promise((resolve, reject) => {
    consumer.on(consumer.events.CRASH, e => reject(e.payload.error))
    consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch }) => {
        const digest = digests.get(String(batch.partition))
        for (const message of batch.messages) {
          const offset = BigInt(message.offset)
          if (offset < digest.end) digest.add(offset, message)
        }
        if ([...digests.values()].every(each => each.done)) resolve()
      }
    }).catch(reject)
  })
  await consumer.disconnect()
  return partitions.split(',').map(p => `${p}:${digests.get(p).count}:${digests.get(p).sum.digest('hex')}`).join(' ')
}

zstd.init().then(() => ({ produce, read })[doing](what)).then(said => { console.log(said); process.exit(0) }, error => { console.error(error); process.exit(1) })
