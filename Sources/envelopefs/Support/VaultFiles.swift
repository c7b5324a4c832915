// What the disk says of a vault without any key: vault.json and the lock.

import Filesystem
import Format
import POSIX

/// The vault at a path, as far as it can be read by anybody.
struct VaultFiles {
    /// Absolute, without links.
    let path: String
    /// Nobody has vouched for it.
    let configuration: UnverifiedVaultConfiguration

    /// - Throws: `Failure` for a directory that is missing, is no vault, or whose vault.json does not read.
    init(at given: String) throws(Failure) {
        path = try Self.resolve(given)
        configuration = try Self.read(path)
    }

    /// The vault that holds `path`, found by going up.
    init(holding path: String) throws(Failure) {
        var directory = path
        while true {
            if (try? Paths.exists(directory + "/.envelopefs")) == true { break }
            guard directory != "/", let slash = directory.lastIndex(of: "/") else { throw Failure(.notAVault, "\(path) is not in a vault", hint: "Give a vault, a file in one, or a file in a mount.") }
            directory = slash == directory.startIndex ? "/" : String(directory[..<slash])
        }
        self.path = directory
        configuration = try Self.read(directory)
    }

    private static func resolve(_ path: String) throws(Failure) -> String {
        do throws(Errno) {
            guard try Paths.status(path).isDirectory else { throw .notDirectory }
            return String(decoding: try Paths.resolve(path), as: UTF8.self)
        } catch {
            switch error {
            case .noEntry, .notDirectory: throw .noVault(path)
            default: throw Failure("\(path) cannot be opened", error)
            }
        }
    }

    private static func read(_ path: String) throws(Failure) -> UnverifiedVaultConfiguration {
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try Paths.read(path + "/.envelopefs/vault.json", limit: VaultConfiguration.maximumSize)
        } catch {
            switch error {
            case .noEntry, .notDirectory:
                if (try? Paths.exists(path + "/.envelopefs")) == true { throw .unfinished(path) }
                throw Failure(.notAVault, "\(path) is not a vault", hint: "'envelopefs init' makes a new or empty directory one.")
            case .isDirectory:
                throw Failure(.vaultDamaged, "vault.json in \(path) is damaged: it is no regular file", hint: Failure.restoreHint)
            case .fileTooLarge:
                throw Failure(.vaultDamaged, "vault.json in \(path) is damaged: it is too large", hint: Failure.restoreHint)
            default:
                throw Failure("\(path)/.envelopefs/vault.json cannot be read", error)
            }
        }
        do throws(FormatError) {
            return try VaultConfiguration.parse(bytes.span)
        } catch {
            if case .vaultUnsupported(let why) = error { throw Failure(.vaultUnsupported, "\(path) needs a newer program: \(why)", hint: "Use a newer envelopefs.") }
            throw Failure(.vaultDamaged, "vault.json in \(path) is damaged: \(error)", hint: Failure.restoreHint)
        }
    }

    // MARK: who has it

    /// The process that has a vault.
    struct Owner: Equatable {
        /// As this process's namespace numbers it, where that is known; 0 where nothing is.
        let process: Int32
        /// As it numbers itself; 0 where it could not say.
        let ownNumber: Int32
        let mountPoint: String
    }

    /// Who holds a vault's lock. Nil when nobody does, or the lock may not be read. The lock is never taken to see that: a mount that begins meanwhile would fail.
    static func owner(of vault: String) -> Owner? { holding(vault)?.owner }

    /// The same, with whether it seals, and serves nobody any more.
    static func holding(_ vault: String) -> (owner: Owner, isSealing: Bool)? {
        guard let file = try? SharedDescriptor.open(vault + "/.envelopefs/lock", [.readOnly, .noFollow, .nonBlocking]) else { return nil }
        let holders = (try? file.lockHolders()) ?? []
        // The list has nobody of another process namespace or host, and nobody on btrfs.
        guard !holders.isEmpty || (try? file.isRangeLocked()) == true else { return nil }
        let note = LockNote(of: file)
        let process = holders.isEmpty || holders.contains(note.process) ? note.process : holders[0]
        return (Owner(process: process, ownNumber: note.process, mountPoint: note.mountPoint), note.isSealing)
    }

    /// Whether a process of this program has that id, and has not ended: one that nobody has waited for yet keeps its id and name.
    static func isServing(_ process: Int32) -> Bool {
        guard let text = try? Paths.read("/proc/\(process)/stat", limit: 4096), let name = text.lastIndex(of: UInt8(ascii: ")")), name + 2 < text.count else { return false }
        let state = text[name + 2]
        return Processes.name(of: process) == "envelopefs" && state != UInt8(ascii: "Z") && state != UInt8(ascii: "X")
    }
}
