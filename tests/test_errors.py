"""What is told of a fault, and which exit code it ends a job with."""

from winnow.errors import DataError, InputNotReadyError, exit_code_of, told_of


class Java:
    """An exception of the JVM, as Py4J shows it."""

    def __init__(self, name, message, cause=None):
        self.name, self.message, self.cause = name, message, cause

    def getClass(self):  # noqa: N802 - as Java names it
        return self

    def getSimpleName(self):  # noqa: N802
        return self.name

    def getMessage(self):  # noqa: N802
        return self.message

    def getCause(self):  # noqa: N802
        return self.cause


def fault(java):
    found = Exception("An error occurred while calling o1.save.")
    found.java_exception = java
    return found


def test_of_a_fault_of_the_jvm_the_innermost_cause_is_told():
    inner = Java("IOException", "No space left on device\nat some.Class")
    assert told_of(fault(Java("SparkException", "Job aborted", inner))) == "IOException: No space left on device"


def test_a_file_that_cannot_be_read_is_named_beside_what_is_wrong_with_it():
    inner = Java("RuntimeException", "footer is too large")
    reading = Java(
        "SparkException", "[FAILED_READ_FILE.NO_HINT] Encountered error while reading file a.parquet.", inner
    )
    told = told_of(fault(Java("SparkException", "Job aborted", reading)))
    assert told == (
        "SparkException: [FAILED_READ_FILE.NO_HINT] Encountered error while reading file a.parquet. "
        "RuntimeException: footer is too large"
    )


def test_faults_of_our_own_and_of_python_are_told_as_they_are():
    assert told_of(DataError("2026-01-05: expected rows, found none")) == "2026-01-05: expected rows, found none"
    assert told_of(ValueError("wrong\nmore")) == "ValueError: wrong"
    assert told_of(ValueError()) == "ValueError: "
    assert told_of(fault(Java("OutOfMemoryError", ""))) == "OutOfMemoryError: "


def test_of_a_fault_in_a_python_worker_the_line_below_its_traceback_is_told():
    text = (
        "An exception was thrown from the Python worker:\n"
        "Traceback (most recent call last):\n"
        '  File "worker.py", line 3602, in main\n'
        "    func, profiler = read_udfs(\n"
        "                     ^^^^^^^^^^\n"
        "ModuleNotFoundError: No module named 'numpy'"
    )
    assert told_of(RuntimeError(text)) == "RuntimeError: ModuleNotFoundError: No module named 'numpy'"
    told = told_of(fault(Java("PythonException", f"[PYTHON_EXCEPTION] {text}\n SQLSTATE: 38000\n\tat org.apache.Any")))
    assert told == "PythonException: ModuleNotFoundError: No module named 'numpy'"


def test_of_several_faults_each_is_told_and_the_gravest_decides():
    several = ExceptionGroup("2 days failed", [InputNotReadyError("no row"), DataError("one class")])
    assert told_of(several) == "2 days failed; no row; one class"
    assert exit_code_of(several) == 3
    assert exit_code_of(ExceptionGroup("2 days failed", [DataError("one class"), ValueError("x")])) == 1
