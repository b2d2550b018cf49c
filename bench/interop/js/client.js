// kafkajs: sends a file of records, each to the partition and in the codec it names, and waits for every answer; then asks
// for the offsets. Arguments: bootstrap, topic, file. It has no consumer without a group, so it does not read back.
const fs = require('fs')
const path = require('path')
const installed = name => require(path.join(process.env.INTEROP_HOME, 'js', 'node_modules', name))
const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = installed('kafkajs')

// Kafkajs itself has gzip, and a place for the codecs of others.
const codec = (compress) => () => ({ compress: async encoder => Buffer.from(await compress(encoder.buffer)) })
const zstd = installed('@bokuweb/zstd-wasm')
CompressionCodecs[CompressionTypes.Snappy] = codec(installed('snappyjs').compress)
CompressionCodecs[CompressionTypes.LZ4] = codec(installed('lz4-napi').compressFrame)
CompressionCodecs[CompressionTypes.ZSTD] = codec(data => zstd.compress(data, 3))

const [bootstrap, topic, file] = process.argv.slice(2)

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

async function run () {
  await zstd.init()
  const kafka = new Kafka({
    clientId: 'kafkajs',
    brokers: [bootstrap],
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 100, maxRetryTime: 1000, retries: 300 }
  })
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
  console.log(count)
}

run().then(() => process.exit(0), error => { console.error(error); process.exit(1) })
