// One mount as it was asked for: every path absolute, every option decided.

import FUSE
import POSIX

/// What is mounted where, and how. Made by `mount` and by `run`; handed to the background process as a command line.
struct MountPlan: Equatable {
    var vault: String
    var mountPoint: String
    var keystore: String
    var isReadOnly = false
    var allowOther = false
    var acceptsOlderKeystore = false
    /// Words for the kernel.
    var kernelWords: [String] = []
    /// Nil: standard error in the foreground, the default file in the background.
    var logFile: String?
    var logLevel = "notice"

    /// The arguments after the program's name with which a background process carries out this plan.
    func arguments(readyDescriptor: Int32, secretDescriptor: Int32) -> [String] {
        var words = ["mount", "--ready-descriptor", String(readyDescriptor), "--secret-descriptor", String(secretDescriptor)]
        words += ["--keystore", keystore, "--log-level", logLevel]
        if isReadOnly { words.append("--read-only") }
        if allowOther { words.append("--allow-other") }
        if acceptsOlderKeystore { words.append("--accept-older-keystore") }
        for word in kernelWords { words += ["-o", word] }
        return words + ["--", vault, mountPoint]
    }

    /// What the front door is told.
    var options: MountOptions {
        var options = MountOptions()
        options.fsname = vault
        options.readOnly = isReadOnly
        options.allowOther = allowOther
        options.checksPermissions = allowOther || !CurrentProcess.overridesPermissions
        for word in kernelWords {
            switch word {
            case "suid": options.allowsSetUserID = true
            case "nosuid": options.allowsSetUserID = false
            case "dev": options.allowsDevices = true
            case "nodev": options.allowsDevices = false
            case "default_permissions": options.checksPermissions = true
            case "awake": options.latencyDevice = MountOptions().latencyDevice
            case "noawake": options.latencyDevice = nil
            default: options.extra.append(word)
            }
        }
        return options
    }
}
