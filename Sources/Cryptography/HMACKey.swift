// HMAC-SHA256 under one key.

import Bytes
import CLibCrypto

/// HMAC-SHA256 under one key, for any number of threads. Keeps keyed contexts.
package final class HMACKey: Sendable {
    /// Bytes of a code.
    package static let codeSize = 32

    private let contexts = ContextPool()
    private let key: SecretBytes

    /// Copies `key`, of any count but 0, which throws `invalidParameter`.
    package init(_ key: SecretBytes) throws(CryptographyError) {
        guard key.count > 0 else { throw .invalidParameter }
        self.key = try key.withBytes { bytes throws(CryptographyError) in try SecretBytes(copying: bytes) }
    }

    deinit {
        while let context = unsafe contexts.take() { unsafe EVP_MAC_CTX_free(context) }
    }

    /// The code of `message`, 32 bytes. Compare codes with `constantTimeEqual`, or use `isValid`.
    package func authenticate(_ message: ByteSpan) throws(CryptographyError) -> [UInt8] {
        let stream = try begin()
        try stream.update(message)
        return try stream.finish()
    }

    /// Whether `code` is that of `message`, compared in constant time.
    package func isValid(_ code: ByteSpan, for message: ByteSpan) throws(CryptographyError) -> Bool {
        let expected = try authenticate(message)
        return constantTimeEqual(expected.span, code)
    }

    /// Begins a message that is given piece by piece.
    package func begin() throws(CryptographyError) -> HMACStream {
        let context = unsafe try contexts.take { () throws(CryptographyError) in unsafe try makeContext() }
        do throws(CryptographyError) {
            unsafe try MACContext.begin(context)
        } catch {
            unsafe EVP_MAC_CTX_free(context)
            throw error
        }
        return unsafe HMACStream(context, of: self)
    }

    private func makeContext() throws(CryptographyError) -> OpaquePointer {
        let context = unsafe try MACContext.make(.sha256)
        do throws(CryptographyError) {
            try key.withBytes { key throws(CryptographyError) in unsafe try MACContext.begin(context, key: key) }
        } catch {
            unsafe EVP_MAC_CTX_free(context)
            throw error
        }
        return unsafe context
    }

    fileprivate func putBack(_ context: OpaquePointer) {
        if unsafe !contexts.put(context) { unsafe EVP_MAC_CTX_free(context) }
    }
}

/// One message under an `HMACKey`, given piece by piece, ended by `finish`. Used by one thread.
@safe package final class HMACStream {
    private let context: OpaquePointer
    private let owner: HMACKey
    private var isFinished = false

    fileprivate init(_ context: OpaquePointer, of owner: HMACKey) {
        unsafe self.context = unsafe context
        self.owner = owner
    }

    deinit { unsafe owner.putBack(context) }

    /// Adds `bytes` to the message. Throws `invalidParameter` after `finish`.
    package func update(_ bytes: ByteSpan) throws(CryptographyError) {
        guard !isFinished else { throw .invalidParameter }
        unsafe try MACContext.update(context, bytes)
    }

    /// The code of the whole message, 32 bytes. Once.
    package func finish() throws(CryptographyError) -> [UInt8] {
        guard !isFinished else { throw .invalidParameter }
        isFinished = true
        var code = [UInt8](repeating: 0, count: HMACKey.codeSize)
        var span = code.mutableSpan
        unsafe try MACContext.finish(context, into: &span)
        return code
    }
}
